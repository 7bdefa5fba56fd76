"""The best system of each stream, by rows that were not tested, and what was fused."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ravfeat import metrics
from ravfeat.predictions import CROSSFIT, evidence_of
from ravfeat.report.graded import Graded

__all__ = ["BestSystems", "best_of_run", "best_systems"]


@dataclass(frozen=True)
class BestSystems:
    """Systems of one run.

    Attributes
    ----------
    entries : tuple of Graded
        At most one of each stream, then what was fused.
    why : tuple of str
        What makes each stand here.
    """

    entries: tuple[Graded, ...]
    why: tuple[str, ...]


def best_systems(graded: Sequence[Graded]) -> list[BestSystems]:
    """Give the best systems of every run that has more than one stream, or a fusion."""
    runs = {id(entry.run): entry.run for entry in graded}
    per_run = [best_of_run([entry for entry in graded if entry.run is run]) for run in runs.values()]
    return [best for best in per_run if len(best.entries) > 1]


def best_of_run(entries: Sequence[Graded]) -> BestSystems:
    """Pick from the systems of one run."""
    chosen, why = [], []
    for stream in dict.fromkeys(entry.system.stream for entry in entries if entry.role == "single"):
        systems = [entry for entry in entries if entry.system.stream == stream]
        best, words = systems[0], f"the only {stream} system"
        if len(systems) > 1:
            scores = [_learned_uar(entry) for entry in systems]
            best = systems[int(np.argmax(scores))]
            words = (
                f"of {len(systems)} {stream} systems the best on {_rows(best)} (UAR {max(scores):.3f}, mean over folds)"
            )
        chosen.append(best)
        why.append(words)
    fused = [entry for entry in entries if entry.role == "fused"]
    return BestSystems((*chosen, *fused), (*why, *(f"of {entry.team}" for entry in fused)))


def _learned_uar(entry: Graded) -> float:
    evidence = evidence_of(entry.run.predictions, entry.system)
    return float(np.mean([metrics.uar(fold.learn.y, metrics.decide(fold.learn.log_probs)) for fold in evidence]))


def _rows(entry: Graded) -> str:
    return "the rows of other folds" if entry.calibration.folds[0].split == CROSSFIT else "validation rows"
