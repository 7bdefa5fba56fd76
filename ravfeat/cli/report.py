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
def command(runs: tuple[Path, ...], out: Path | None) -> None:
    """Make one self-contained HTML page, its Markdown and its figures from finished runs.

    A clip6 run beside an actor-disjoint run of the same head shows the gain of the leak; the folder that
    compare-splits made counts as its two runs.

    \b
    ravfeat report runs/a
    ravfeat report runs/a runs/a-leaky --out runs/a-report
    """  # noqa: D301
    from ravfeat.report import build_report
    from ravfeat.runs.format import runs_of

    echo(build_report([run for path in runs for run in runs_of(path)], out or runs[0] / "report"))
