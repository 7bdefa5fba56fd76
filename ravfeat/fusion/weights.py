"""Fit the weights of a fusion: a grid for the linear rule, a convex optimum for the log-linear one.

``linear`` weights lie on a simplex grid of step 0.05 that holds every single system. They are chosen by the
UAR of the mixture's decisions, ties by its NLL at its best temperature. Not by the plain NLL: a mean of
probabilities is never surer than the surest of its parts, so the likelihood of a mean is best where nearly
all weight lies on the single best system, although its decisions are best near equal weights (on RAVDESS,
nested: NLL gave the voice 0.7 to 0.8 of the weight, UAR 0.5, and that was better by 0.03 to 0.04 of test UAR).

``loglinear`` weights minimise the NLL, which is convex in them. A weighted sum of log-probabilities becomes
surer where systems agree, so here likelihood and decisions want the same weights.

Conventions
-----------
Axes: M systems, N clips, K classes, P points of a grid.
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import fmin_l_bfgs_b

from ravfeat import metrics
from ravfeat.calibrate import Temperature
from ravfeat.fusion.mixing import linear, loglinear

__all__ = ["LARGEST", "STEPS", "best_nll", "fit_linear", "fit_loglinear", "grid_uar", "simplex_grid"]

STEPS = 20
"""Steps of the grid from 0 to 1."""

LARGEST = 10.0
"""Largest log-linear weight; reached only where the rows are separated without an error, or almost."""

_EXHAUSTIVE = 4
_CHUNK = 1 << 24  # numbers held at once
_SAME = 1e-12
_FLOATS = NDArray[np.float64]


def best_nll(log_probs: _FLOATS, y: NDArray[np.int64]) -> float:
    """NLL of log-probabilities, shape (N, K), at the temperature that suits these rows best."""
    calibrated = Temperature().fit(log_probs, y).transform(log_probs)
    return metrics.nll(y, np.exp(calibrated))


def fit_linear(log_probs: _FLOATS, y: NDArray[np.int64]) -> _FLOATS:
    """Choose linear weights on the grid.

    All points are tried for up to four systems (1771). For more, the search starts at the best single system and
    at equal weights, and moves one step from one system to another as long as that is better.

    Parameters
    ----------
    log_probs : ndarray of shape (M, N, K)
    y : ndarray of shape (N,)

    Returns
    -------
    ndarray of shape (M,)
        Multiples of 1 / STEPS that sum to 1.
    """
    search = _Search(log_probs, y)
    n = len(log_probs)
    if n <= _EXHAUSTIVE:
        return search.best(simplex_grid(n))
    # Two starts, for one alone may end at a local best: the best system, and all of them alike.
    singles = search.ranked(np.eye(n))
    return search.best(np.stack([search.climb(start) for start in (singles[0], _nearly_equal(singles))]))


def simplex_grid(n: int, steps: int = STEPS) -> _FLOATS:
    """Every point of the simplex whose coordinates are multiples of 1 / steps, of shape (P, n)."""
    # n - 1 bars among `steps` stars: how many stars lie between two bars is a coordinate.
    between = list(combinations(range(steps + n - 1), n - 1))
    bars = np.array(between, dtype=np.int64).reshape(len(between), n - 1)
    edges = np.hstack([np.full((len(bars), 1), -1), bars, np.full((len(bars), 1), steps + n - 1)])
    return np.asarray((np.diff(edges, axis=1) - 1) / steps)


def grid_uar(points: _FLOATS, probs: _FLOATS, y: NDArray[np.int64]) -> _FLOATS:
    """UAR of the decisions of linear mixtures.

    Parameters
    ----------
    points : ndarray of shape (P, M)
    probs : ndarray of shape (M, N, K)
    y : ndarray of shape (N,)

    Returns
    -------
    ndarray of shape (P,)
    """
    counts = np.bincount(y, minlength=probs.shape[2])
    share = 1 / (counts[y] * (counts > 0).sum())  # what a hit adds to the mean recall
    chunk = max(1, _CHUNK // probs[0].size)  # 1771 points of a large corpus at once would need gigabytes
    scores = []
    for start in range(0, len(points), chunk):
        mixed = np.tensordot(points[start : start + chunk], probs, axes=1)  # (P, M) x (M, N, K) -> (P, N, K)
        scores.append((mixed.argmax(-1) == y) @ share)
    return np.concatenate(scores)


def fit_loglinear(log_probs: _FLOATS, y: NDArray[np.int64]) -> _FLOATS:
    """Learn log-linear weights: not negative, of lowest NLL.

    Parameters
    ----------
    log_probs : ndarray of shape (M, N, K)
    y : ndarray of shape (N,)

    Returns
    -------
    ndarray of shape (M,)
        From 0 to `LARGEST`; they need not sum to 1.
    """
    rows = np.arange(len(y))
    right = log_probs[:, rows, y].mean(1)

    def loss(weights: _FLOATS) -> tuple[float, _FLOATS]:
        mixed = loglinear(weights, log_probs)
        # d NLL / d w_m = mean over clips of E_mixture[log p_m] - log p_m[y]
        expected = np.tensordot(log_probs, np.exp(mixed), axes=([1, 2], [0, 1])) / len(y)
        return -float(mixed[rows, y].mean()), expected - right

    n = len(log_probs)
    # Convex and bounded: any start ends at the same optimum; equal weights are near it.
    weights, _, _ = fmin_l_bfgs_b(loss, np.full(n, 1 / n), bounds=[(0, LARGEST)] * n, factr=10, pgtol=1e-9)
    return np.asarray(weights, dtype=np.float64)


def _nearly_equal(singles: _FLOATS) -> _FLOATS:
    """Give the point of the grid next to equal weights; what is left over goes to the best systems, listed first."""
    n = len(singles)
    return np.asarray((STEPS // n + singles[: STEPS % n].sum(0)) / STEPS)


class _Search:
    """What makes one point better than another: UAR, then NLL at the best temperature."""

    def __init__(self, log_probs: _FLOATS, y: NDArray[np.int64]) -> None:
        self._log_probs, self._probs, self._y = log_probs, np.exp(log_probs), y

    def best(self, points: _FLOATS) -> _FLOATS:
        """Give the best of some points."""
        return self._best(points)[1]

    def ranked(self, points: _FLOATS) -> _FLOATS:
        """Sort points, best first, so that a search does not depend on the order of the systems."""
        keys = [self._best(point[None])[0] for point in points]
        return points[sorted(range(len(points)), key=keys.__getitem__)]

    def climb(self, point: _FLOATS) -> _FLOATS:
        """Move to the best neighbour as long as it is better."""
        key, point = self._best(point[None])
        while True:
            next_key, neighbour = self._best(np.stack(list(_neighbours(point))))
            # Only a better point is moved to, so the climb ends.
            if next_key >= key:
                return point
            key, point = next_key, neighbour

    def _best(self, points: _FLOATS) -> tuple[tuple[float, float], _FLOATS]:
        uar = grid_uar(points, self._probs, self._y)
        # An NLL needs a temperature to be fitted, so only the points with the best UAR get one.
        tied = np.flatnonzero(uar >= uar.max() - _SAME)
        nll = [best_nll(linear(points[at], self._log_probs), self._y) for at in tied]
        first = int(np.argmin(nll))
        # Rounded, so that two orders of one sum are not two scores.
        return (-round(float(uar[tied[first]]), 9), round(nll[first], 9)), points[tied[first]]


def _neighbours(point: _FLOATS) -> Iterator[_FLOATS]:
    # Counted in whole steps: multiples of 0.05 are not exact in floating point.
    counts = np.rint(point * STEPS).astype(np.int64)
    for giver in np.flatnonzero(counts):
        for taker in range(len(counts)):
            if taker != giver:
                moved = counts.copy()
                moved[giver] -= 1
                moved[taker] += 1
                yield moved / STEPS
