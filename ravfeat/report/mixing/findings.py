"""The mixtures that a fusion could have chosen from, between its two sides."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ravfeat.fusion import STEPS, mix
from ravfeat.fusion.surface import Curve, linear_curve, loglinear_map
from ravfeat.report.fused import FusedRun, FusionSides

__all__ = ["Surface", "SystemAgreement", "agreement_of", "surface_of"]

_REACH = 2.0  # a map goes at least this far


@dataclass(frozen=True)
class Surface:
    """Scores of mixtures on the rows that were learned from, fold by fold.

    Attributes
    ----------
    sides : FusionSides
    curves : tuple of Curve, length F
        Linear rule, by the share of the first side.
    shares : ndarray of shape (F,)
        Chosen share of the first side, linear rule.
    weights : ndarray of shape (F, 2)
        Chosen total weight of either side, log-linear rule.
    first_axis, second_axis : ndarray of shape (A,), (B,)
        Total weights of the first and the second side, at which `nll` is mapped.
    nll : ndarray of shape (B, A)
        Of log-linear mixtures, mean over folds.
    """

    sides: FusionSides
    curves: tuple[Curve, ...]
    shares: NDArray[np.float64]
    weights: NDArray[np.float64]
    first_axis: NDArray[np.float64]
    second_axis: NDArray[np.float64]
    nll: NDArray[np.float64]

    @property
    def uar(self) -> NDArray[np.float64]:
        """UAR of linear mixtures by share, mean over folds, of shape (P,)."""
        return np.asarray(np.mean([curve.uar for curve in self.curves], axis=0))

    @property
    def linear_nll(self) -> NDArray[np.float64]:
        """NLL of linear mixtures by share, mean over folds, of shape (P,)."""
        return np.asarray(np.mean([curve.nll for curve in self.curves], axis=0))

    @property
    def likeliest(self) -> NDArray[np.int64]:
        """Index of the share of lowest NLL in every fold, of shape (F,)."""
        return np.array([curve.nll.argmin() for curve in self.curves])

    @property
    def chosen(self) -> NDArray[np.int64]:
        """Index of the chosen share in every fold, of shape (F,)."""
        return np.rint(self.shares * STEPS).astype(np.int64)


@dataclass(frozen=True)
class SystemAgreement:
    """Rows that were learned from on which all systems name the same emotion, all folds together.

    Attributes
    ----------
    n, of : int
        How many, and of how many.
    right : float
        Share of them on which that emotion is the true one.
    surest, linear, loglinear : float
        Mean probability of that emotion: of the surest system, and of either mixture.
    """

    n: int
    of: int
    right: float
    surest: float
    linear: float
    loglinear: float


def surface_of(fused_run: FusedRun) -> Surface:
    """Score the mixtures between the two sides of a fusion."""
    sides = fused_run.sides
    shares = np.arange(STEPS + 1) / STEPS
    weights = np.array(
        [[fold.loglinear[side].sum() for side in (sides.first, ~sides.first)] for fold in fused_run.fusion.folds]
    )
    first, second = (_axis(weights[:, side]) for side in (0, 1))
    curves, maps = [], []
    for view in fused_run.folds:
        curves.append(linear_curve(view.fusion.linear, sides.first, view.log_probs, view.y, shares))
        maps.append(loglinear_map(view.fusion.loglinear, sides.first, view.log_probs, view.y, first, second))
    chosen = np.array([fold.linear[sides.first].sum() for fold in fused_run.fusion.folds])
    return Surface(sides, tuple(curves), chosen, weights, first, second, np.mean(maps, axis=0))


def agreement_of(fused_run: FusedRun) -> SystemAgreement:
    """Look at the rows on which all systems agree."""
    by_fold: list[tuple[NDArray[np.float64], ...]] = []
    total = 0
    for view in fused_run.folds:
        decided = view.log_probs.argmax(-1)  # (M, N, K) -> (M, N)
        rows = np.flatnonzero((decided == decided[0]).all(0))
        classes = decided[0, rows]
        log_probs = view.log_probs[:, rows]
        both = (mix("linear", view.fusion.linear, log_probs), mix("loglinear", view.fusion.loglinear, log_probs))
        mixed = [np.exp(mixture)[np.arange(len(rows)), classes] for mixture in both]
        surest = np.exp(view.log_probs[:, rows, classes]).max(0)
        by_fold.append((classes == view.y[rows], surest, *mixed))
        total += len(view.y)
    right, surest, linear, loglinear = (np.concatenate(parts) for parts in zip(*by_fold, strict=True))
    if not len(right):
        return SystemAgreement(0, total, *[float("nan")] * 4)
    return SystemAgreement(len(right), total, *(float(part.mean()) for part in (right, surest, linear, loglinear)))


def _axis(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Go a good way beyond the chosen weights, in steps that meet 1."""
    reach = max(_REACH, float(np.ceil(1.25 * weights.max() * 2) / 2))
    step = 0.05 if reach <= 2.5 else 0.1 if reach <= 5 else 0.25
    return np.asarray(np.arange(round(reach / step) + 1) * step, dtype=np.float64)
