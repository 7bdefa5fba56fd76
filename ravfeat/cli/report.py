"""``ravfeat report``."""

from pathlib import Path
from typing import Any

import click

from ravfeat.cli.terminal import echo

__all__ = ["command"]


@click.command("report")
@click.argument("runs", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder that gets the report. [default: report/ in the first run]"
)
@click.option(
    "--with-audio",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Put the recordings of the few clips of 'Recorded predictions' into the page, from the folder that extract "
    "read. They are then inside the file: pass it on only as their terms allow (RAVDESS: CC BY-NC-SA 4.0).",
)
def command(**options: Any) -> None:
    """Make one self-contained HTML page, its Markdown and its figures from finished runs.

    A clip6 run beside an actor-disjoint run of the same head shows the gain of the leak; the folder that
    compare-splits made counts as its two runs.

    \b
    ravfeat report runs/a
    ravfeat report runs/a runs/a-leaky --out runs/a-report
    ravfeat report runs/a --with-audio data/ravdess
    """  # noqa: D301
    from ravfeat.api.report import report

    echo(report(**options))
