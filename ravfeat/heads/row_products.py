"""Inner products of training rows for ridge-penalised models: as a matrix, or by the rows where these are many.

A matrix of n x n products serves rows of any width. Of 20,000 clips it takes 1.6 GB and its decomposition minutes;
where rows are many and narrow, the same linear algebra goes through matrices as wide as a row (Woodbury's identity).

Conventions
-----------
Axes: n training rows, P statistics in a row, K classes; inside, classes come first.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["DenseProducts", "RowProducts", "TallProducts", "is_tall"]

_FLOATS = NDArray[np.float64]
Solve = Callable[[_FLOATS], _FLOATS]

MANY_ROWS = 8192
"""Up to so many rows the matrix is used, whatever their width: results of such sizes keep their bits."""


def is_tall(n_rows: int, width: int) -> bool:
    """Whether rows are so many and so narrow that `TallProducts` takes less time and memory."""
    return n_rows > MANY_ROWS and 2 * width < n_rows


class RowProducts(Protocol):
    """What a solver needs of the inner products K = Z Z' of rows Z.

    Attributes
    ----------
    trace : float or numpy.floating
    """

    trace: float | np.floating

    def times(self, dual: _FLOATS) -> _FLOATS:
        """Multiply coefficients of the rows, (K, n), with the products."""
        ...

    def solver(self, ridge: _FLOATS) -> Solve:
        """Decompose ``K + diag(ridge)``, and return what solves with it: (K, n) to (K, n)."""
        ...


class DenseProducts:
    """Products as a matrix; see `RowProducts`.

    Parameters
    ----------
    products : ndarray of shape (n, n)

    Attributes
    ----------
    matrix : ndarray of shape (n, n), float32
    """

    def __init__(self, products: NDArray[np.floating]) -> None:
        self.matrix = np.ascontiguousarray(products, np.float32)  # errs far below the tolerance
        self.trace: float | np.floating = np.trace(self.matrix)

    def times(self, dual: _FLOATS) -> _FLOATS:
        """Multiply in single precision."""
        return np.asarray(dual.astype(np.float32) @ self.matrix)

    def solver(self, ridge: _FLOATS) -> Solve:
        """Decompose once, in single precision."""
        # A copy: the diagonal is added in place, and the same products serve every C.
        matrix = torch.from_numpy(self.matrix.copy())
        matrix.diagonal().add_(torch.from_numpy(ridge))
        # Torch's, not SciPy's: SciPy's keep every other thread waiting until they are done.
        factor = torch.linalg.cholesky(matrix)

        def solve(right: _FLOATS) -> _FLOATS:
            solved = torch.cholesky_solve(torch.from_numpy(right.astype(np.float32)).T, factor)
            return solved.T.numpy().astype(np.float64)

        return solve


class TallProducts:
    """Products that are never multiplied out; see `RowProducts`.

    Parameters
    ----------
    rows : ndarray of shape (n, P)
        Z, of which K is Z Z'.

    Attributes
    ----------
    rows : Tensor of shape (n, P), float64
    """

    def __init__(self, rows: NDArray[np.floating]) -> None:
        # In double precision, as Woodbury's identity takes differences of nearly equal numbers.
        self.rows = torch.from_numpy(np.ascontiguousarray(rows, np.float64))
        self.trace: float | np.floating = float(torch.square(self.rows).sum())

    def times(self, dual: _FLOATS) -> _FLOATS:
        """Multiply by way of the rows."""
        return np.asarray(((torch.from_numpy(dual) @ self.rows) @ self.rows.T).numpy())

    def solver(self, ridge: _FLOATS) -> Solve:
        """Decompose a matrix of P x P once."""
        rows, inverse = self.rows, torch.from_numpy(1 / ridge)
        inner = rows.T @ (inverse[:, None] * rows)
        inner.diagonal().add_(1.0)
        factor = torch.linalg.cholesky(inner)

        def solve(right: _FLOATS) -> _FLOATS:
            scaled = torch.from_numpy(right) * inverse  # (K, n)
            within = torch.cholesky_solve((scaled @ rows).T, factor)  # (P, K)
            return np.asarray((scaled - (rows @ within).T * inverse).numpy())

        return solve
