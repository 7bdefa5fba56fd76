"""Class-balanced multinomial logistic regression with a ridge penalty, for few rows.

The penalty makes the weights a combination of training rows, ``W = Z' A``, so the rows' inner products
``K = Z Z'`` are all that is needed, however wide they are (Zhu & Hastie 2005, "Kernel logistic regression
and the import vector machine"); `ravfeat.heads.row_products` multiplies and decomposes them. Coefficients
are found by L-BFGS, whose first guess of the curvature has the curvature of every row at the start:
``K + diag(1 / (C w p (1 - p)))`` is decomposed (Cholesky) once for each C, which takes a thirtieth of the
time of an eigendecomposition, and a step takes one solve with it.

Conventions
-----------
Axes: n training rows, K classes; inside, classes come first. The loss is
``C * sum_i w_i * cross_entropy_i + ||W||^2 / 2`` with balanced class weights and a free intercept, as in
scikit-learn. At its least, coefficients equal ``C w (target - p)`` and, as the intercept is free, sum to 0
over the rows; they are kept summing to 0 on the way.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ravfeat.heads.checks import balanced_weights
from ravfeat.heads.lbfgs import Loss, minimise
from ravfeat.heads.row_products import DenseProducts, RowProducts
from ravfeat.numerics.softmax import softmax

__all__ = ["among_all_classes", "regularization_path"]

_FLOATS = NDArray[np.float64]

_ENOUGH = 1e-8
"""Largest distance from the least loss, as a share of ``C * n``; logits are then right to about 0.02."""

_ABSENT = 1e-5
"""Largest probability of a class without rows: in truth 0, which no logit stands for."""

_CERTAIN = 1e-3
"""Least curvature of a row, however sure the start is of it."""

_CONDITION = 1e6
"""Largest ratio of eigenvalues that single precision decomposes without trouble."""


def regularization_path(
    products: NDArray[np.floating] | RowProducts, y: NDArray[np.int64], n_classes: int, grid: Sequence[float]
) -> Iterator[tuple[_FLOATS, _FLOATS]]:
    """Solve for every C of a rising grid, each from the solution before it.

    Parameters
    ----------
    products : ndarray of shape (n, n) or RowProducts
        Inner products of the training rows.
    y : ndarray of shape (n,)
    n_classes : int
        Those without rows get a probability below 1e-5 for whatever is scored.
    grid : sequence of float
        Values of C, rising.

    Yields
    ------
    dual : ndarray of shape (n, K)
        Inner products with the training rows times this, plus the intercept, are logits.
    intercept : ndarray of shape (K,)
    """
    if isinstance(products, np.ndarray):
        products = DenseProducts(products)
    row_weights = balanced_weights(y, n_classes)[y].astype(np.float64)
    present = np.unique(y)
    targets = (present[:, None] == y).astype(np.float64)
    solved: list[_FLOATS] = []
    for number, strength in enumerate(grid):
        start = _continued(solved, grid[:number], strength) if solved else np.zeros((2, *targets.shape))
        curvature = _Curvature(products, strength * row_weights * _uncertainty(start[1]))
        loss = _loss(targets, strength * row_weights)
        dual, scores = minimise(loss, curvature.step, start, _ENOUGH * strength * len(y))
        # The line through the solutions needs the last two.
        solved = [*solved[-1:], np.stack([dual, scores])]
        # Scores are products with the coefficients plus the intercept; the mean over rows evens out rounding.
        intercept = (scores - products.times(dual)).mean(1)
        yield among_all_classes(dual, intercept - intercept.mean(), present, n_classes)


def _continued(solved: Sequence[_FLOATS], grid: Sequence[float], strength: float) -> _FLOATS:
    """Where the line through the last two solutions over log C leads; saves a fifth of the steps."""
    if len(solved) < 2 or grid[-1] == grid[-2]:
        return solved[-1]
    # A line leads astray where the grid makes a leap.
    ratio = min(1.5, np.log(strength / grid[-1]) / np.log(grid[-1] / grid[-2]))
    return np.asarray(solved[-1] + ratio * (solved[-1] - solved[-2]))


def among_all_classes(
    dual: _FLOATS, intercept: _FLOATS, present: NDArray[np.int64], n_classes: int
) -> tuple[_FLOATS, _FLOATS]:
    """Add the classes without rows. Scores have mean 0, so that their exponentials sum to at least their number.

    Parameters
    ----------
    dual : ndarray of shape (classes with rows, n)
        With mean 0 over the classes.
    intercept : ndarray of shape (classes with rows,)
        With mean 0 too.
    present : ndarray of int64
        Classes with rows.
    n_classes : int

    Returns
    -------
    dual : ndarray of shape (n, K)
    intercept : ndarray of shape (K,)
    """
    wide = np.zeros((dual.shape[1], n_classes))
    wide[:, present] = dual.T
    all_intercepts = np.full(n_classes, np.log(_ABSENT * len(present)))
    all_intercepts[present] = intercept
    return wide, all_intercepts - all_intercepts.mean()


def _uncertainty(scores: _FLOATS) -> _FLOATS:
    """Curvature of the cross-entropy of every row, averaged over directions; shape (n,)."""
    # The trace of diag(p) - p p', spread over its K - 1 directions.
    squares = np.square(softmax(scores.T)).sum(1)
    return np.asarray(np.maximum((1 - squares) / (len(scores) - 1), _CERTAIN))


def _loss(targets: _FLOATS, row_weights: _FLOATS) -> Loss:
    def loss(point: _FLOATS) -> tuple[float, _FLOATS]:
        dual, scores = point
        # Over the outer axis: NumPy takes several times as long for a softmax over a short last axis.
        shifted = scores - scores.max(0)
        p = np.exp(shifted)
        total = p.sum(0)
        p /= total
        nll = np.log(total) - (shifted * targets).sum(0)
        value = 0.5 * np.vdot(dual, scores) + np.vdot(row_weights, nll)
        return float(value), dual + row_weights * (p - targets)

    return loss


class _Curvature:
    """Penalty plus a curvature of every row that is the same for all classes; inverted exactly.

    With ``D`` the rows' curvature and ``M = K + D^-1``, a gradient ``G`` has the step ``M^-1 D^-1 G`` less
    what makes it sum to 0, and the scores of a step ``S`` are ``D^-1 (G - S)``.
    """

    def __init__(self, products: RowProducts, rows: _FLOATS) -> None:
        # No eigenvalue is larger than the trace, so this keeps the matrix well conditioned.
        self._ridge = np.maximum(1 / rows, products.trace / _CONDITION)
        self._solve = products.solver(self._ridge)
        ones = self._solve(np.ones_like(rows)[None])[0]
        self._ones = ones / np.sqrt(ones.sum())

    def step(self, gradient: _FLOATS) -> _FLOATS:
        """Inverse curvature times a gradient: dual coefficients and their scores."""
        right = self._ridge * gradient
        dual = self._solve(right)
        dual -= (right @ self._ones)[:, None] * self._ones
        return np.stack([dual, self._ridge * (gradient - dual)])
