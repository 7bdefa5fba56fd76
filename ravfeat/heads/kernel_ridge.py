"""Kernel ridge regression with balanced row weights, whose regressed values are scaled to serve as logits.

One-hot targets are regressed (Saunders, Gammerman & Vovk 1998, "Ridge regression learning algorithm in dual
variables"). Regressed values lie near 0 and 1; to serve as logits they are multiplied by one scale, which minimises the
NLL of the leave-one-out values of the training rows (closed form, so no other row is touched and no validation row is
used up). Where views of clips train too, a clip is left out with all its views, near-copies that would give its label
away. scikit-learn's `KernelRidge` solves anew for every alpha and leaves no row out; the tests compare the two.

Conventions
-----------
Axes: n training rows, m rows to score, K classes, S * D features.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from ravfeat.heads.checks import balanced_weights
from ravfeat.numerics.softmax import log_softmax

__all__ = ["KernelRidge", "logit_scale", "mean_distance", "rows_of_clips", "squared_distances"]


def squared_distances(a: NDArray[np.float32], rows: NDArray[np.float16]) -> NDArray[np.float32]:
    """Squared distances of (m, S * D) and (n, S * D) rows: shape (m, n)."""
    b = rows.astype(np.float32)
    # |a|^2 + |b|^2 - 2 a.b is one product of matrices; rounding can leave it just below 0.
    squares = np.square(a).sum(1)[:, None] + np.square(b).sum(1)
    return np.asarray(np.maximum(squares - 2 * (a @ b.T), 0))


def mean_distance(squared: NDArray[np.float32]) -> float:
    """Average the squared distances, shape (n, n), between different rows."""
    # The diagonal is 0 and does not count. The sum of n^2 distances is taken in float64.
    n = len(squared)
    return float(squared.sum(dtype=np.float64) / max(1, n * (n - 1)))


class KernelRidge:
    """Kernel ridge with balanced row weights, for any alpha after one decomposition.

    With ``W`` the row weights, ``A = W^(1/2) (W^(1/2) K W^(1/2) + alpha)^-1 W^(1/2) Y``.

    Parameters
    ----------
    kernel : ndarray of shape (n, n)
    y : ndarray of shape (n,), int64
    n_classes : int
    clips : ndarray of shape (n,), int64, or None
        Which clip every row is, or is a view of; None where every row is another clip.
    """

    def __init__(
        self, kernel: NDArray[np.floating], y: NDArray[np.int64], n_classes: int, clips: NDArray[np.int64] | None
    ) -> None:
        self._y = y
        self._clips = None if clips is None else rows_of_clips(clips)
        # W^(1/2) on both sides keeps the weighted kernel symmetric, which `eigh` needs.
        self._root = np.sqrt(balanced_weights(y, n_classes)[y].astype(np.float64))
        weighted = self._root[:, None] * np.asarray(kernel, np.float64) * self._root
        # NumPy's, not SciPy's: SciPy's keeps every other thread waiting until it is done.
        self._values, self._vectors = np.linalg.eigh(weighted)
        self._targets = np.eye(n_classes)[y]

    def dual(self, alpha: float) -> NDArray[np.float64]:
        """Coefficients of shape (n, K), already multiplied by the scale that makes logits."""
        shrink = 1 / (np.maximum(self._values, 0) + alpha)  # rounding leaves tiny negative eigenvalues
        rotated = self._vectors.T @ (self._root[:, None] * self._targets)
        residual = self._vectors @ (shrink[:, None] * rotated)
        # Leave-one-out values without another fit; the errors were of weighted rows, so the weights are taken out.
        left_out = self._targets - self._errors(residual, shrink) / self._root[:, None]
        return np.asarray(self._root[:, None] * residual * logit_scale(left_out, self._y, np.square(self._root)))

    def _errors(self, residual: NDArray[np.float64], shrink: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weighted errors of rows that were left out: one by one, or with all views of their clip."""
        if self._clips is None:
            # With Q = W^(1/2) K W^(1/2) + alpha: a row's entry of Q^-1 y over its diagonal entry of Q^-1.
            return np.asarray(residual / (np.square(self._vectors) @ shrink)[:, None])
        errors = np.empty_like(residual)
        for rows in self._clips:
            # The same with the block of Q^-1 that belongs to all rows of a clip.
            vectors = self._vectors[rows]  # (clips, rows of each, n)
            errors[rows] = np.linalg.solve((vectors * shrink) @ vectors.transpose(0, 2, 1), residual[rows])
        return errors


def logit_scale(left_out: NDArray[np.float64], y: NDArray[np.int64], weights: NDArray[np.float64]) -> float:
    """Give the factor that makes logits of regressed values: with the lowest weighted NLL.

    Parameters
    ----------
    left_out : ndarray of shape (n, K)
        Values of rows that were left out of the regression.
    y : ndarray of shape (n,), int64
    weights : ndarray of shape (n,)
    """
    rows = np.arange(len(y))

    def nll(log_scale: float) -> float:
        return float(-(weights * log_softmax(left_out * np.exp(log_scale))[rows, y]).sum())

    # Over the logarithm: a scale is positive, and equal steps are equal ratios.
    return float(np.exp(minimize_scalar(nll, bounds=(-2.0, 5.0), method="bounded").x))


def rows_of_clips(clips: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Put rows of one clip together: for every number of rows, an array of shape (clips with as many, rows of each)."""
    order = np.argsort(clips, kind="stable")
    _, starts, counts = np.unique(clips[order], return_index=True, return_counts=True)
    return [order[starts[counts == n][:, None] + np.arange(n)] for n in np.unique(counts)]
