"""Fit the fusion of one fold: temperatures, weights and the choice of a rule, never from test rows."""

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
from ravfeat.short_repr import short_repr

__all__ = ["Choice", "FoldFusion", "FusionScore", "fit_fold"]

Choice = Literal["single", "linear", "loglinear"]


@dataclass(frozen=True)
class FusionScore:
    """UAR, and NLL in nats at the temperature that suits these rows best."""

    uar: float
    nll: float

    @classmethod
    def of(cls, log_probs: NDArray[np.float64], y: NDArray[np.int64]) -> "FusionScore":
        """Score log-probabilities of shape (N, K)."""
        return cls(metrics.uar(y, metrics.decide(log_probs)), best_nll(log_probs, y))

    @property
    def rank(self) -> tuple[float, float]:
        """Lower is better: UAR decides, NLL breaks ties."""
        # Rounded, so that one score, added up in two orders, is a tie.
        return -round(self.uar, 9), round(self.nll, 9)


@short_repr
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
    singles : tuple of FusionScore, length M
        Of every system on the rows that were learned from.
    scores : mapping of Choice to FusionScore
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
    singles: tuple[FusionScore, ...]
    scores: dict[Choice, FusionScore]
    split: str
    n: int

    @property
    def choices(self) -> dict[str, Choice]:
        """What each of the fused streams holds."""
        return dict(zip(FUSED_STREAMS, (self.chosen, "linear", "loglinear"), strict=True))

    @property
    def at_bound(self) -> tuple[int, ...]:
        """Systems whose log-linear weight is at its upper bound."""
        # The optimiser may stop just inside a bound.
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
        return np.stack([fitted.transform(part) for fitted, part in zip(self.temperatures, log_probs, strict=True)])

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
    # Temperatures first: weights are then of probabilities that are equally honest in every system.
    temperatures = tuple(fit_temperature(part.learn) for part in evidence)
    rows = align_rows(systems, [part.learn for part in evidence], f"fold {fold}, {evidence[0].learn.split}")
    parts = zip(temperatures, rows.log_probs, strict=True)
    calibrated = np.stack([fitted.transform(log_probs) for fitted, log_probs in parts])
    weights = fit_linear(calibrated, rows.y), fit_loglinear(calibrated, rows.y)
    singles = tuple(FusionScore.of(log_probs, rows.y) for log_probs in calibrated)
    single = min(range(len(singles)), key=lambda m: singles[m].rank)
    scores: dict[Choice, FusionScore] = {
        "single": singles[single],
        "linear": FusionScore.of(linear(weights[0], calibrated), rows.y),
        "loglinear": FusionScore.of(mix("loglinear", weights[1], calibrated), rows.y),
    }
    # "single" comes first, so that it wins a tie: a mixture must be better than its best part.
    best = min(scores, key=lambda choice: scores[choice].rank)
    chosen: Choice = best if rule == "auto" else rule
    return FoldFusion(fold, temperatures, *weights, single, chosen, singles, scores, rows.split, len(rows.y)), rows
