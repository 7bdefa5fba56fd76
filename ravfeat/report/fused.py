"""A run's fusion with the systems it mixed, and the rows it was learned from."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ravfeat.fusion import FoldFusion, Fusion, align_rows
from ravfeat.predictions import CROSSFIT, evidence_of
from ravfeat.report.graded import Graded
from ravfeat.runs.read import Run

__all__ = ["RULES", "FoldView", "FusedRun", "FusionSides", "fused_runs"]

RULES = {"single": "single system", "linear": "linear", "loglinear": "log-linear"}


@dataclass(frozen=True)
class FoldView:
    """One fold of a fusion.

    Attributes
    ----------
    fusion : FoldFusion
    log_probs : ndarray of shape (M, N, K)
        Calibrated, of the rows that were learned from.
    y : ndarray of shape (N,)
    """

    fusion: FoldFusion
    log_probs: NDArray[np.float64]
    y: NDArray[np.int64]


@dataclass(frozen=True)
class FusionSides:
    """Two sides that weights are divided between.

    Attributes
    ----------
    first : ndarray of shape (M,), bool
        Systems of the first side.
    names : (str, str)
    """

    first: NDArray[np.bool_]
    names: tuple[str, str]


@dataclass(frozen=True)
class FusedRun:
    """A run with a fusion.

    Attributes
    ----------
    run : Run
    fusion : Fusion
    fused, linear, loglinear : Graded
    members : tuple of Graded, length M
    """

    run: Run
    fusion: Fusion
    fused: Graded
    linear: Graded
    loglinear: Graded
    members: tuple[Graded, ...]

    @property
    def crossfitted(self) -> bool:
        """Whether there were no validation rows."""
        return any(fold.split == CROSSFIT for fold in self.fusion.folds)

    @property
    def rows(self) -> str:
        """What to call the rows that were learned from."""
        return "cross-fitted rows" if self.crossfitted else "validation rows"

    @property
    def learned(self) -> NDArray[np.float64]:
        """UAR of every member on the rows that were learned from, mean over folds, of shape (M,)."""
        scores = np.array([[score.uar for score in fold.singles] for fold in self.fusion.folds])
        return np.asarray(scores.mean(0))

    @property
    def best(self) -> int:
        """The member that is best there."""
        return int(self.learned.argmax())

    @property
    def choices(self) -> str:
        """Say which rule was chosen how often."""
        counts = Counter(fold.chosen for fold in self.fusion.folds)
        n = len(self.fusion.folds)
        return ", ".join(f"{RULES[choice]} in {count} of {n} folds" for choice, count in counts.most_common())

    def test_uar(self, entry: Graded) -> NDArray[np.float64]:
        """UAR of a system in every fold, as `fusion.folds` are ordered."""
        by_fold = {fold["fold"]: fold["uar"] for fold in entry.folds}
        return np.array([by_fold[fold.fold] for fold in self.fusion.folds])

    @cached_property
    def best_single_uar(self) -> NDArray[np.float64]:
        """Test UAR, in every fold, of the single system that was best where the fold was learned."""
        members = np.stack([self.test_uar(entry) for entry in self.members])
        return members[[fold.single for fold in self.fusion.folds], range(len(self.fusion.folds))]

    @cached_property
    def gains(self) -> NDArray[np.float64]:
        """Test UAR of ``fused`` over that, in every fold."""
        return self.test_uar(self.fused) - self.best_single_uar

    @cached_property
    def folds(self) -> tuple[FoldView, ...]:
        """What each fold was learned from."""
        evidence = zip(*(evidence_of(self.run.predictions, entry.system) for entry in self.members), strict=True)
        views = []
        for fold, parts in zip(self.fusion.folds, evidence, strict=True):
            rows = align_rows(self.fusion.systems, [part.learn for part in parts], f"fold {fold.fold}, {fold.split}")
            views.append(FoldView(fold, fold.calibrated(rows.log_probs), rows.y))
        return tuple(views)

    @property
    def sides(self) -> FusionSides:
        """The streams, where there are two; else the best system against all the rest."""
        streams = [entry.system.stream for entry in self.members]
        names = list(dict.fromkeys(streams))
        if len(names) == 2:
            return FusionSides(np.array(streams) == names[0], (names[0], names[1]))
        first = np.arange(len(streams)) == self.best
        other = str(self.members[int(not self.best)].system) if len(streams) == 2 else "all others"
        return FusionSides(first, (str(self.members[self.best].system), other))


def fused_runs(graded: Sequence[Graded]) -> list[FusedRun]:
    """Give every run with a fusion, in the order of its systems."""
    return list(_fused_runs(graded))


def _fused_runs(graded: Sequence[Graded]) -> Iterator[FusedRun]:
    for entry in graded:
        fusion = entry.run.fusion
        if entry.role == "fused" and fusion is not None:
            by_system = {other.system: other for other in graded if other.run is entry.run}
            linear, loglinear = (
                by_system[entry.system._replace(stream=f"fused-{rule}")] for rule in ("linear", "loglinear")
            )
            members = tuple(by_system[system] for system in fusion.systems)
            yield FusedRun(entry.run, fusion, entry, linear, loglinear, members)
