"""Class-balanced multinomial logistic regression with a ridge penalty, for few rows.

The penalty makes the solution a combination of training rows, so the problem is solved exactly in
the at most n principal coordinates of n rows, however wide they are (Hastie & Tibshirani 2004,
"Efficient quadratic regularization for expression arrays"). In these coordinates the curvature is
nearly diagonal, and rescaling by it leaves L-BFGS little to do.

Conventions
-----------
Axes: n training rows, m rows to score, r coordinates, K classes. The loss is
``C * sum_i w_i * cross_entropy_i + ||W||^2 / 2`` with balanced class weights and a free intercept,
as in scikit-learn.

Offers
------
Coordinates, regularization_path.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.optimize import fmin_l_bfgs_b

from ravfeat.heads.checks import balanced_weights
from ravfeat.logits import log_softmax

__all__ = ["Coordinates", "regularization_path"]

_RANK = 1e-7
_FLOATS = NDArray[np.float64]


@dataclass(frozen=True)
class Coordinates:
    """Principal coordinates of training rows.

    Attributes
    ----------
    basis : ndarray of shape (n, r)
        Inner products with the training rows times this give coordinates.
    train : ndarray of shape (n, r)
        Coordinates of the training rows.
    """

    basis: _FLOATS
    train: _FLOATS

    @classmethod
    def of(cls, products: NDArray[np.floating]) -> "Coordinates":
        """Rotate to the row space, given the training rows' inner products, shape (n, n)."""
        values, vectors = scipy.linalg.eigh(np.asarray(products, np.float64))
        keep = values > _RANK * values[-1]
        root = np.sqrt(values[keep])
        return cls(vectors[:, keep] / root, vectors[:, keep] * root)


def regularization_path(
    train: _FLOATS, y: NDArray[np.int64], n_classes: int, grid: Sequence[float]
) -> Iterator[tuple[_FLOATS, _FLOATS]]:
    """Solve for every C of a rising grid, each from the solution before it.

    Parameters
    ----------
    train : ndarray of shape (n, r)
        `Coordinates.train`.
    y : ndarray of shape (n,)
    n_classes : int
        Classes without rows get an ever lower intercept until it no longer matters.
    grid : sequence of float
        Values of C, rising.

    Yields
    ------
    weights : ndarray of shape (r, K)
    intercept : ndarray of shape (K,)
    """
    row_weights = balanced_weights(y, n_classes)[y].astype(np.float64)
    targets = np.eye(n_classes)[y]
    start = np.zeros((train.shape[1] + 1, n_classes))
    for strength in grid:
        start = _solve(train, targets, row_weights, strength, start)
        yield start[:-1], start[-1] - start[-1].mean()


def _solve(train: _FLOATS, targets: _FLOATS, row_weights: _FLOATS, strength: float, start: _FLOATS) -> _FLOATS:
    n_rows, n_classes = targets.shape
    # Rough curvature of each coordinate: p (1 - p) with p = 1 / K over the rows, plus the penalty.
    share = (n_classes - 1) / n_classes**2
    spread = np.append(np.square(train).sum(0), n_rows)
    curvature = share * spread + np.append(np.full(train.shape[1], 1 / strength), 0)
    scale = 1 / np.sqrt(curvature)[:, None]
    # Single precision halves the time of the products, and errs far below the tolerance.
    x = (np.hstack([train, np.ones((n_rows, 1))]) * scale.T).astype(np.float32)
    penalty = np.square(scale) / strength
    penalty[-1] = 0

    def loss(flat: _FLOATS) -> tuple[float, _FLOATS]:
        w = flat.reshape(-1, n_classes)
        log_p = log_softmax(x @ w.astype(np.float32))
        value = -(row_weights * (log_p * targets).sum(1)).sum() + 0.5 * (penalty * np.square(w)).sum()
        residual = row_weights[:, None] * (np.exp(log_p) - targets)
        gradient = x.T @ residual.astype(np.float32) + penalty * w
        return float(value), gradient.ravel()

    found, _, _ = fmin_l_bfgs_b(loss, (start / scale).ravel(), maxiter=500, pgtol=1e-3, factr=1e9)
    return np.asarray(found.reshape(-1, n_classes) * scale)
