"""``ravfeat explore``."""

from pathlib import Path
from typing import Any

import click

from ravfeat.cli.table_options import as_written_option, columns_option, parse_columns
from ravfeat.cli.terminal import echo

__all__ = ["command"]

_SHOWN = 10


@click.command("explore")
@click.argument("sources", nargs=-1, metavar="TABLE|CACHE...")
@click.option("--corpus", help="ravdess, synth or another corpus by its name: the source is its folder."
              " [default: a file is a table]")  # fmt: skip
@click.option("--name", help="Name of the corpus, for a table. [default: the table's name]")
@columns_option()
@as_written_option
@click.option("--audio", type=click.Path(path_type=Path), help="Where the recordings lie, for --corpus emobox.")
@click.option("--speaker-pattern", help="Regular expression whose first group names the speaker, for --corpus emobox.")
@click.option("--sample", type=click.IntRange(1), default=3000, show_default=True,
              help="Clips that are decoded, compared and drawn at most, drawn at random.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), default=Path("explore.html"), show_default=True,
              help="The page; replaced where it is there.")  # fmt: skip
def command(**options: Any) -> None:
    """Look at a corpus before any head is trained: one page that needs no other file.

    Clips, labels, actors (speakers) and columns crossed with one another; missing and doubtful values;
    which protocols fit. From a table or a folder also loudness, silence and copies, decoding each file
    once; from caches copies too, clips drawn in the plane by label and by actor, and what every layer
    tells of both.

    \b
    ravfeat explore clips.csv
    ravfeat explore cache/ravdess
    ravfeat explore --corpus ravdess data/ravdess cache/ravdess --out ravdess.html
    ravfeat explore clips.csv --columns actor=person,label=mood --sample 500
    """  # noqa: D301
    from ravfeat.api.explore import explore
    from ravfeat.explore.doubts import times

    options["columns"] = parse_columns(options["columns"])
    explored = explore(**options)
    found = explored.found
    grave = sum(doubt.grave for doubt in found.doubts)
    synthetic = " (synthetic)" if found.listing.synthetic else ""
    echo(
        f"{found.listing.corpus}{synthetic}: {len(found.listing)} clips of {len(set(found.listing.actors))} actors,"
        f" {len(found.counts.by_label)} classes; {times(len(found.doubts), 'thing')} to look at, {grave} of them grave"
    )
    if found.refused:
        echo(f"'ravfeat extract' does not take this table: {found.refused}", err=True)
    for doubt in found.doubts[:_SHOWN]:
        echo(f"{'GRAVE ' if doubt.grave else ''}{doubt.topic}: {doubt.sentence}")
    if len(found.doubts) > _SHOWN:
        echo(f"and {len(found.doubts) - _SHOWN} more, on the page")
    echo(explored.path)
