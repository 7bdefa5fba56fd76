"""Score mixtures of two groups of systems over the whole range of weights, for curves and maps.

With more than two systems a side is several of them, which keep the proportions that were chosen within it.
So the mixture that was chosen lies on the curve, and on the map.

Conventions
-----------
Axes: M systems, N clips, K classes, P shares, A and B total weights of either side. Log-probabilities are
calibrated. ``first`` marks the systems of the first side, the rest is the second.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ravfeat import metrics
from ravfeat.errors import PredictionsError
from ravfeat.fusion.mixing import linear
from ravfeat.fusion.weights import grid_uar
from ravfeat.numerics.softmax import log_softmax

__all__ = ["Curve", "linear_curve", "loglinear_map", "proportions"]

_FLOATS = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """Scores of linear mixtures by the share of the first side.

    Attributes
    ----------
    shares : ndarray of shape (P,)
        Weight of the first side; the second has the rest.
    uar : ndarray of shape (P,)
        UAR of the mixture's decisions.
    nll : ndarray of shape (P,)
        NLL of the mixture in nats, at no temperature of its own.
    """

    shares: _FLOATS
    uar: _FLOATS
    nll: _FLOATS


def proportions(weights: _FLOATS, first: NDArray[np.bool_]) -> _FLOATS:
    """Give each system's part of its side, of shape (M,); equal parts where the side has no weight at all.

    Raises
    ------
    PredictionsError
        Shapes that do not fit, or a side without a system.
    """
    if first.shape != weights.shape or first.all() or not first.any():
        raise PredictionsError(
            f"two sides need at least a system each, got {int(first.sum())} of {len(first)} systems on the first"
            f" side and {len(weights)} weights"
        )
    parts = np.empty(len(weights))
    for side in (first, ~first):
        total = weights[side].sum()
        parts[side] = weights[side] / total if total > 0 else 1 / side.sum()
    return parts


def linear_curve(
    weights: _FLOATS, first: NDArray[np.bool_], log_probs: _FLOATS, y: NDArray[np.int64], shares: _FLOATS
) -> Curve:
    """Score linear mixtures whose first side has each of some shares.

    Parameters
    ----------
    weights : ndarray of shape (M,)
        As chosen; they say how systems of one side stand to each other.
    first : ndarray of shape (M,), bool
    log_probs : ndarray of shape (M, N, K)
    y : ndarray of shape (N,)
    shares : ndarray of shape (P,)
        From 0 to 1.

    Examples
    --------
    >>> log_probs = np.log([[[0.9, 0.1], [0.6, 0.4]], [[0.4, 0.6], [0.1, 0.9]]])  # two systems, two clips
    >>> equal, first, y = np.array([0.5, 0.5]), np.array([True, False]), np.array([0, 1])
    >>> linear_curve(equal, first, log_probs, y, np.array([0.0, 0.5, 1.0])).uar
    array([0.5, 1. , 0.5])
    """
    parts = proportions(weights, first)
    # Each side's share is divided among its systems in their proportions, so every point sums to 1.
    points = np.where(first, shares[:, None], 1 - shares[:, None]) * parts  # (P, M)
    nll = [metrics.nll(y, np.exp(linear(point, log_probs))) for point in points]
    return Curve(shares, grid_uar(points, np.exp(log_probs), y), np.array(nll))


def loglinear_map(
    weights: _FLOATS,
    first: NDArray[np.bool_],
    log_probs: _FLOATS,
    y: NDArray[np.int64],
    first_totals: _FLOATS,
    second_totals: _FLOATS,
) -> _FLOATS:
    """NLL of log-linear mixtures by the total weight of either side.

    Parameters
    ----------
    weights, first, log_probs, y
        As in `linear_curve`.
    first_totals : ndarray of shape (A,)
        Total weights of the first side.
    second_totals : ndarray of shape (B,)
        Total weights of the second side.

    Returns
    -------
    ndarray of shape (B, A)
        In nats.
    """
    parts = proportions(weights, first)
    # Each side is added up once; every cell of the map is then a sum of two arrays.
    mixed_first, mixed_second = (
        np.tensordot(np.where(side, parts, 0.0), log_probs, axes=1) for side in (first, ~first)
    )  # (N, K)
    rows = np.arange(len(y))
    surface = np.empty((len(second_totals), len(first_totals)))
    # Row by row: all cells at once would hold B times as many numbers.
    for row, weight in enumerate(second_totals):
        mixed = log_softmax(first_totals[:, None, None] * mixed_first + weight * mixed_second)  # (A, N, K)
        surface[row] = -mixed[:, rows, y].mean(1)
    return surface
