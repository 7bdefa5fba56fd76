"""Everything that one fold's fusion learns, from the rows it may learn from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ravfeat import metrics
from ravfeat.calibrate import Temperature, fit_temperature
from ravfeat.fusion.aligned import AlignedRows, align_rows
from ravfeat.fusion.mixing import linear, mix
from ravfeat.fusion.weights import LARGEST, best_nll, fit_linear, fit_loglinear
from ravfeat.predictions import Evidence, System
from ravfeat.schema import FUSED_STREAMS, Rule

__all__ = ["Choice", "FoldFusion", "Score", "fit_fold"]

Choice = Literal["single", "linear", "loglinear"]


@dataclass(frozen=True)
class Score:
    """UAR, and NLL in nats at the temperature that suits these rows best."""

    uar: float
    nll: float

    @classmethod
    def of(cls, log_probs: NDArray[np.float64], y: NDArray[np.int64]) -> "Score":
        """Score log-probabilities of shape (N, K)."""
        return cls(metrics.uar(y, metrics.decide(log_probs)), best_nll(log_probs, y))

    @property
    def rank(self) -> tuple[float, float]:
        """Lower is better: UAR decides, NLL breaks ties."""
        return -round(self.uar, 9), round(self.nll, 9)


@dataclass(frozen=True)
class FoldFusion:
    """The fusion of one fold.

    Attributes
    ----------
    fold : int
    temperatures : tuple of Temperature, length M
    linear, loglinear : ndarray of shape (M,)
        Weights of either rule.
    single : int
        The best single system.
    chosen : {"single", "linear", "loglinear"}
    singles : tuple of Score, length M
        Of every system on the rows that were learned from.
    scores : mapping of Choice to Score
        Likewise of the best single system and of either rule.
    split : str
        Whose rows these were: ``val``, or ``crossfit``.
    n : int
        How many they were.
    """

    fold: int
    temperatures: tuple[Temperature, ...]
    linear: NDArray[np.float64]
    loglinear: NDArray[np.float64]
    single: int
    chosen: Choice
    singles: tuple[Score, ...]
    scores: dict[Choice, Score]
    split: str
    n: int

    @property
    def choices(self) -> dict[str, Choice]:
        """What each of the fused streams holds."""
        return dict(zip(FUSED_STREAMS, (self.chosen, "linear", "loglinear"), strict=True))

    @property
    def at_bound(self) -> tuple[int, ...]:
        """Systems whose log-linear weight is at its upper bound."""
        return tuple(np.flatnonzero(self.loglinear >= LARGEST * (1 - 1e-6)).tolist())

    @property
    def weights(self) -> NDArray[np.float64]:
        """Weights of the chosen rule."""
        return {"single": self._one_hot, "linear": self.linear, "loglinear": self.loglinear}[self.chosen]

    def mix(self, choice: Choice, calibrated: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mix the systems' calibrated log-probabilities, shape (M, N, K), to those of shape (N, K)."""
        if choice == "single":
            return np.asarray(calibrated[self.single])
        return mix(choice, self.linear if choice == "linear" else self.loglinear, calibrated)

    def calibrated(self, log_probs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give every system's log-probabilities, shape (M, N, K), at its temperature."""
        return np.stack([one.transform(own) for one, own in zip(self.temperatures, log_probs, strict=True)])

    @property
    def _one_hot(self) -> NDArray[np.float64]:
        return np.asarray(np.eye(len(self.temperatures))[self.single])


def fit_fold(systems: Sequence[System], evidence: Sequence[Evidence], rule: Rule) -> tuple[FoldFusion, AlignedRows]:
    """Learn temperatures and weights of one fold and choose a rule.

    Parameters
    ----------
    systems : sequence of System, length M
    evidence : sequence of Evidence, length M
        Of the same fold. Only `Evidence.learn` is looked at.
    rule : {"auto", "linear", "loglinear"}
        ``auto`` takes the best of both rules and the single systems by the UAR of the rows that are learned
        from, NLL breaking ties: there, it is never below the best single system.

    Returns
    -------
    FoldFusion
    AlignedRows
        The rows that were learned from.

    Raises
    ------
    PredictionsError
        The rows are test rows, or the systems do not have the same performances.
    """
    fold = evidence[0].fold
    temperatures = tuple(fit_temperature(one.learn) for one in evidence)
    rows = align_rows(systems, [one.learn for one in evidence], f"fold {fold}, {evidence[0].learn.split}")
    calibrated = np.stack([one.transform(own) for one, own in zip(temperatures, rows.log_probs, strict=True)])
    weights = fit_linear(calibrated, rows.y), fit_loglinear(calibrated, rows.y)
    singles = tuple(Score.of(own, rows.y) for own in calibrated)
    single = min(range(len(singles)), key=lambda m: singles[m].rank)
    scores: dict[Choice, Score] = {
        "single": singles[single],
        "linear": Score.of(linear(weights[0], calibrated), rows.y),
        "loglinear": Score.of(mix("loglinear", weights[1], calibrated), rows.y),
    }
    # Where a mixture is no better than a single system, the single system it is.
    best = min(scores, key=lambda choice: scores[choice].rank)
    chosen: Choice = best if rule == "auto" else rule
    return FoldFusion(fold, temperatures, *weights, single, chosen, singles, scores, rows.split, len(rows.y)), rows
