"""Kernel ridge regression on a subset of the rows: all rows train, the kernel is centred on some of them only.

Views of a clip, and pairs of a voice with another person's face, are many rows that say little that is new about where
the kernel should be centred. With the clean rows as the only centres ("subset of regressors": Smola & Bartlett 2000,
"Sparse greedy Gaussian process regression"; Rasmussen & Williams 2006, section 8.3.1), n rows cost a system of m
equations instead of n, and a model of m rows. On RAVDESS, judged on inner actors, two rows a clip gave a joint kernel
a UAR of 0.874 (NLL 0.492) with all of them as centres, and 0.872 (0.437) with the clean ones.

The values are scaled to serve as logits as in `ravfeat.heads.kernel_ridge`, by rows that were left out with all other
rows of their clip.

Conventions
-----------
Axes: n training rows, m centres, K classes.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, solve_triangular

from ravfeat.heads.checks import balanced_weights
from ravfeat.heads.kernel_ridge import logit_scale, rows_of_clips

__all__ = ["SubsetRidge"]

_JITTER = 1e-6
"""Added to the diagonal: equal centres, such as two copies of a recording, make a system without it singular."""


class SubsetRidge:
    """Kernel ridge with balanced row weights and few centres, for any alpha.

    With ``F`` the kernel from rows to centres, ``C`` that from centres to centres and ``W`` the row weights,
    ``A = (F' W F + alpha C)^-1 F' W Y``.

    Parameters
    ----------
    kernel : ndarray of shape (n, m)
        From every row to every centre.
    centres : ndarray of shape (m, m)
    y : ndarray of shape (n,), int64
    n_classes : int
    clips : ndarray of shape (n,), int64
        Which clip every row belongs to.
    """

    def __init__(
        self,
        kernel: NDArray[np.floating],
        centres: NDArray[np.floating],
        y: NDArray[np.int64],
        n_classes: int,
        clips: NDArray[np.int64],
    ) -> None:
        self._y = y
        self._clips = rows_of_clips(clips)
        self._weights = balanced_weights(y, n_classes)[y].astype(np.float64)
        self._kernel = np.asarray(kernel, np.float64)
        self._centres = np.asarray(centres, np.float64)
        self._targets = np.eye(n_classes)[y]
        self._weighted = self._kernel * self._weights[:, None]
        self._products = self._kernel.T @ self._weighted  # (m, m)

    def dual(self, alpha: float) -> NDArray[np.float64]:
        """Coefficients of shape (m, K), already multiplied by the scale that makes logits."""
        system = self._products + alpha * self._centres
        system[np.diag_indices(len(system))] += _JITTER
        root = np.linalg.cholesky(system)
        coefficients = cho_solve((root, True), self._weighted.T @ self._targets)
        errors = self._targets - self._kernel @ coefficients
        half = solve_triangular(root, self._kernel.T, lower=True).T  # (n, m)
        left_out = np.empty_like(errors)
        for rows in self._clips:
            # The hat matrix among the rows of a clip gives the errors without them (Hastie et al. 2009, eq. 7.64).
            hat = half[rows] @ half[rows].transpose(0, 2, 1) * self._weights[rows][:, None, :]
            left_out[rows] = self._targets[rows] - np.linalg.solve(np.eye(rows.shape[1]) - hat, errors[rows])
        return np.asarray(coefficients * logit_scale(left_out, self._y, self._weights))
