"""Score plans of a sweep on their validation rows, and rank them; a test row is refused.

UAR and NLL are means over folds and seeds, of probabilities as the head says them: a temperature would be learned from
these very rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from ravfeat.errors import PredictionsError
from ravfeat.predictions import Predictions
from ravfeat.stats import score_rows
from ravfeat.sweep.plan_file import ChooseBy

__all__ = ["FoldScore", "Validation", "ranked", "validation_of"]

_ROUNDING = 1e-6
"""Scores are sums: another numpy may move the last digits."""


@dataclass(frozen=True)
class FoldScore:
    """One seed in one fold: UAR and NLL (nats) of its validation rows, and how many these are."""

    fold: int
    seed: int
    uar: float
    nll: float
    n: int


@dataclass(frozen=True)
class Validation:
    """A plan on its validation rows.

    Attributes
    ----------
    scores : tuple of FoldScore
    """

    scores: tuple[FoldScore, ...]

    @property
    def uar(self) -> float:
        """Mean UAR over folds and seeds."""
        return float(np.mean([score.uar for score in self.scores]))

    @property
    def nll(self) -> float:
        """Mean NLL over folds and seeds, in nats."""
        return float(np.mean([score.nll for score in self.scores]))

    @property
    def uar_sd(self) -> float:
        """Sample standard deviation of the UAR over folds and seeds; 0 for a single one."""
        return float(np.std([score.uar for score in self.scores], ddof=1)) if len(self.scores) > 1 else 0.0

    @property
    def nll_sd(self) -> float:
        """The same of the NLL."""
        return float(np.std([score.nll for score in self.scores], ddof=1)) if len(self.scores) > 1 else 0.0

    @property
    def n(self) -> int:
        """Validation rows of one seed, all folds together; a clip may serve several folds."""
        return sum(score.n for score in self.scores if score.seed == self.scores[0].seed)

    def equals(self, other: "Validation") -> bool:
        """Whether these are the same scores, but for rounding."""
        mine, theirs = (
            np.array([(score.fold, score.seed, score.uar, score.nll, score.n) for score in each.scores])
            for each in (self, other)
        )
        return mine.shape == theirs.shape and bool(np.allclose(mine, theirs, atol=_ROUNDING, rtol=0))


def validation_of(predictions: Predictions) -> Validation:
    """Score validation rows.

    Raises
    ------
    PredictionsError
        Where there is a test row, or more than one system.
    """
    rows = score_rows(predictions)
    if any(row["split"] != "val" for row in rows) or len(predictions.systems()) != 1:
        raise PredictionsError("a plan of a sweep holds validation rows of one system, and no test row")
    scores = [row for row in rows if row["averaging"] == "fold"]
    return Validation(
        tuple(
            FoldScore(row["fold"], row["seed"], row["uar"], row["nll_uncalibrated"], row["n"])
            for row in sorted(scores, key=lambda row: (row["fold"], row["seed"]))
        )
    )


class _Scored(Protocol):
    @property
    def validation(self) -> Validation: ...

    @property
    def digest(self) -> str: ...


Scored = TypeVar("Scored", bound=_Scored)


def ranked(trials: Sequence[Scored], choose_by: ChooseBy) -> list[Scored]:
    """Sort trials, the best first; of equal ones that with the better other figure, then by digest."""

    def key(trial: Scored) -> tuple[float, float, str]:
        figures = (-trial.validation.uar, trial.validation.nll)
        first, second = figures if choose_by == "uar" else figures[::-1]
        return first, second, trial.digest

    return sorted(trials, key=key)
