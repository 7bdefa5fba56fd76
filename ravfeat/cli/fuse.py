"""``ravfeat fuse``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ravfeat.cli import command_line
from ravfeat.cli.observer import TerminalObserver
from ravfeat.cli.renamed import RenamedOption
from ravfeat.cli.run_options import no_ledger_option
from ravfeat.cli.show_scores import show_run
from ravfeat.cli.table_options import as_written_option
from ravfeat.cli.terminal import echo

if TYPE_CHECKING:
    from ravfeat.runs.result import Fitted
    from ravfeat.scorefiles import Part

__all__ = ["command"]


@click.command("fuse")
@click.option("--scores", "scores", type=click.Path(path_type=Path), multiple=True, required=True,
              help="A CSV or Parquet file of scores, or a run's folder; repeat for more.")  # fmt: skip
@click.option("--fusion", cls=RenamedOption, formerly="--rule",
              type=click.Choice(["auto", "linear", "loglinear"]), default="auto", show_default=True,
              help="How systems are fused; auto takes what is best on the rows that it learns from.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), help="Where the run goes. [default: runs/<date>-fused]")
@as_written_option
@click.option("--allow-leak", is_flag=True, help="Fuse LEAKY scores as a control.")
@click.option("--force", is_flag=True, help="Replace a run that is already at --out.")
@no_ledger_option
def command(**options: Any) -> None:
    """Calibrate and fuse scores: those of finished runs, and those that any other program made.

    A score file is a table with a row per clip and fold. It has the columns name (a RAVDESS file name, or any
    name beside the columns actor or speaker, and label) and fold, if need be split (val or test), seed, stream
    (audio, face or other) and performance, and a column for each class, of logits or of probabilities.

    Temperatures and weights are learned from val rows only. Scores that come without any are cross-fitted: what
    is applied to a fold was learned from the actors of the other folds.

    \b
    ravfeat fuse --scores voice.csv --scores face.csv
    ravfeat fuse --scores voice.csv --scores face.parquet --fusion loglinear --out runs/fused
    ravfeat fuse --scores runs/voice --scores runs/face --scores text.csv
    """  # noqa: D301
    from ravfeat.api.fuse import fuse

    fuse(**options, observer=_Terminal(command_line()))


class _Terminal(TerminalObserver):
    def gathered(self, part: "Part") -> None:
        """Print what a file was read as."""
        echo(_describe(part))

    def trained(
        self, run: Path, fitted: "Fitted", records: Sequence[Mapping[str, Any]], *, seconds: float, trained_s: float
    ) -> None:
        """Print scores, and where the run is."""
        show_run(run, records, fitted)
        echo(
            f"{run}: predictions, scores, metrics, temperatures and weights, in {seconds:.1f} s;"
            f" 'ravfeat report {run}' makes the report"
        )


def _describe(part: "Part") -> str:
    """Describe what a file was read as, so that a wrong guess is seen."""
    table = part.predictions
    systems = part.systems()
    folds, splits = (sorted(set(table.table[name].to_pylist())) for name in ("fold", "split"))
    seeds = max(len(table.seeds(system)) for system in systems)
    return ", ".join(
        [
            f"{part.path}: {part.kind}{' LEAKY' if table.leaky else ''}",
            f"{len(table)} rows",
            _count(len(folds), "fold"),
            _count(seeds, "seed"),
            " and ".join(reversed(splits)),
            f"{len(table.classes)} classes",
            f"as {'; '.join(map(str, systems))}",
        ]
    )


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
