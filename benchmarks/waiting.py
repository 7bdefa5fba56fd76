"""What a person waits for: a command that begins, and the report of a run.

Start-up is compared with a Python that does nothing, in new processes; a report with saving its figures alone, as
PNG and as SVG, the way matplotlib does it when it is asked twice.
"""

import io
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.fusion import N_ACTORS, TAKES, simulated
from ravfeat.cli import COMMANDS
from ravfeat.fusion import fuse
from ravfeat.report import build_report
from ravfeat.report.compose import compose
from ravfeat.report.graded import grade
from ravfeat.runs.read import read_runs
from ravfeat.runs.result import Fitted
from ravfeat.runs.write import write_run
from ravfeat.schema import RAVDESS_LABELS
from ravfeat.scorefiles import gather_scores

__all__ = ["measure"]

ROUNDS = 5
RUN = "from ravfeat.cli import main; main()"


def measure() -> Iterator[str]:
    """Measure and give one line for each figure."""
    yield _start_up()
    yield _report()


def _start_up() -> str:
    nothing = [_process("-c", "pass") for _ in range(ROUNDS)]
    bare = [_process("-c", "import click") for _ in range(ROUNDS)]
    by_command = {name: [_process("-c", RUN, name, "--help") for _ in range(ROUNDS)] for name in COMMANDS}
    own = [_process("-c", RUN, "--help") for _ in range(ROUNDS)]
    name, slowest = max(by_command.items(), key=lambda item: median(item[1]))
    return (
        f"ravfeat --help: {1000 * median(own):.0f} ms of processor time against {1000 * median(nothing):.0f} of a"
        f" Python that does nothing, ratio {median(own) / median(nothing):.1f} ({median(own) / median(bare):.1f} of one"
        f" that imports click); slowest of {len(COMMANDS)} commands: {name} --help {1000 * median(slowest):.0f} ms"
    )


def _process(*arguments: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _report() -> str:
    with tempfile.TemporaryDirectory() as scratch:
        run = _run(Path(scratch))
        _saved(run)  # fonts are found once
        whole, bare = [], []
        for number in range(ROUNDS):
            whole.append(_timed(lambda number=number: build_report([run], Path(scratch) / f"report{number}")))
            bare.append(_saved(run))
    ratios = [a / b for a, b in zip(whole, bare, strict=True)]
    return (
        f"report of a fused run of two systems: {median(whole):.1f} s of processor time against {median(bare):.1f} for"
        f" its figures alone, ratio {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    )


def _timed(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _saved(run: Path) -> float:
    found = read_runs([run])
    figures = [figure.canvas for figure in compose(found, grade(found)).figures()]

    def save() -> None:
        for figure in figures:
            figure.savefig(io.BytesIO(), format="png", dpi=200)
            figure.savefig(io.BytesIO(), format="svg")

    return _timed(save)


def _run(folder: Path) -> Path:
    """Two systems of simulated scores, fused, as `ravfeat fuse` writes them."""
    logits, y = simulated(2, N_ACTORS * TAKES)
    actors = np.repeat(np.arange(N_ACTORS), TAKES)
    for stream, own in zip(("audio", "face"), logits, strict=True):
        rows = [
            ",".join(["name", "actor", "fold", "split", "stream", "label", *RAVDESS_LABELS]),
            *(
                ",".join([f"clip{i:04d}", f"{actors[i]:02d}", str(fold), split, stream, RAVDESS_LABELS[y[i]],
                          *(f"{value:.5f}" for value in own[i])])
                for fold in range(6)
                for split, part in (("test", fold), ("val", (fold + 1) % 6))
                for i in np.flatnonzero(actors // 4 == part)
            ),
        ]  # fmt: skip
        (folder / f"{stream}.csv").write_text("\n".join(rows), encoding="utf-8")
    gathered = gather_scores([folder / "audio.csv", folder / "face.csv"])
    predictions, fusion = fuse(gathered.predictions, "auto")
    write_run(folder / "run", Fitted(predictions, (), gathered.about(), fusion), {"command": "benchmark"})
    return folder / "run"
