"""``ravfeat report``."""

from pathlib import Path

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
def command(runs: tuple[Path, ...], out: Path | None, with_audio: Path | None) -> None:
    """Make one self-contained HTML page, its Markdown and its figures from finished runs.

    A clip6 run beside an actor-disjoint run of the same head shows the gain of the leak; the folder that
    compare-splits made counts as its two runs.

    \b
    ravfeat report runs/a
    ravfeat report runs/a runs/a-leaky --out runs/a-report
    ravfeat report runs/a --with-audio data/ravdess
    """  # noqa: D301
    from ravfeat.report import build_report
    from ravfeat.runs.format import runs_of

    folders = [run for path in runs for run in runs_of(path)]
    echo(build_report(folders, out or runs[0] / "report", audio=with_audio))
