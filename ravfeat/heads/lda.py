"""Linear discriminant analysis with a shrunk covariance, on each layer's pooled statistics.

One covariance within classes, shrunk towards a multiple of the identity: ``(1 - s) S + s trace(S) / P`` (Friedman 1989,
"Regularized discriminant analysis"; the "shrinkage" of scikit-learn's `LinearDiscriminantAnalysis`, whose scores these
are). Classes weigh the same, in the covariance and as priors. Sets of layers times shrinkages are candidates, as sets
times C are for ``logreg``.

A covariance of 50,000 statistics fits no memory. What discriminates lies in the span of the training rows, so that
their inner products are enough, as they are for ``logreg`` (Woodbury's identity).

Conventions
-----------
Axes: n training rows, P statistics in a row, K classes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict

from ravfeat.documents import Between, NotEmpty
from ravfeat.heads.base import Sweep
from ravfeat.heads.checks import likeliest_at_best_scale
from ravfeat.heads.logreg import LogregHead
from ravfeat.heads.recipe import Layers
from ravfeat.heads.row_products import DenseProducts, RowProducts, TallProducts
from ravfeat.heads.softmax_regression import among_all_classes

__all__ = ["LdaHead", "discriminants"]

_FLOATS = NDArray[np.float64]


class _Choice(TypedDict):
    layers: Layers
    shrinkage: Between


@dataclass(frozen=True, kw_only=True)
class LdaHead(LogregHead):
    """Linear discriminant analysis.

    Parameters
    ----------
    layers, std, statistics, parts
        As of `ravfeat.heads.logreg.LogregHead`.
    grid : tuple of float
        Shrinkages to choose among, above 0 and below 1.
    """

    name: ClassVar[str] = "lda"
    strength: ClassVar[str] = "shrinkage"
    choice: ClassVar[type] = _Choice

    grid: Annotated[tuple[Between, ...], NotEmpty] = (0.1, 0.3, 0.5, 0.7, 0.9)

    def choose(self, sweeps: Sequence[Sweep], y_val: Sequence[NDArray[np.int64]]) -> int:
        """Pick the lowest NLL on the validation rows, each candidate at its best scale."""
        return likeliest_at_best_scale(sweeps, y_val)

    def _path(
        self,
        products: NDArray[np.floating] | RowProducts,
        y: NDArray[np.int64],
        n_classes: int,
        grid: Sequence[float],
        width: int,
    ) -> Iterator[tuple[_FLOATS, _FLOATS]]:
        return discriminants(products, y, n_classes, grid, width)


def discriminants(
    products: NDArray[np.floating] | RowProducts,
    y: NDArray[np.int64],
    n_classes: int,
    grid: Sequence[float],
    width: int,
) -> Iterator[tuple[_FLOATS, _FLOATS]]:
    """Solve for every shrinkage.

    Parameters
    ----------
    products : ndarray of shape (n, n) or RowProducts
        Inner products of the training rows, of any scale.
    y : ndarray of shape (n,)
    n_classes : int
        Those without rows get a probability below 1e-5 for whatever is scored.
    grid : sequence of float
        Above 0 and below 1.
    width : int
        P: over so many variances their mean is taken, which shrinks towards itself.

    Yields
    ------
    dual : ndarray of shape (n, K)
        Inner products with the training rows times this, plus the intercept, are logits.
    intercept : ndarray of shape (K,)
    """
    classes = _Classes.of(y)
    products = DenseProducts(products) if isinstance(products, np.ndarray) else products
    if isinstance(products, TallProducts):
        rows = products.rows.numpy()
        deviations = classes.within(rows)  # (n, P)
        means = rows.T @ classes.averages.T  # (P, k)
        of_means = rows @ means  # (n, k)
        covariance = deviations.T @ deviations
    else:
        matrix = np.asarray(_matrix(products), np.float64)
        of_means = matrix @ classes.averages.T  # (n, k): products of the rows with the means of classes
        covariance = classes.within(classes.within(matrix).T)  # (n, n): its eigenvalues are the covariance's
        deviations, means = np.eye(len(y)), classes.within(of_means)
    # Rows that are all alike leave no variance at all, and nothing may be divided by 0.
    variance = max(float(np.trace(covariance)) / width, float(np.finfo(np.float32).tiny))
    for shrinkage in grid:
        ratio = shrinkage / (1 - shrinkage) * variance
        solved = deviations @ np.linalg.solve(covariance + ratio * np.eye(len(covariance)), means)  # (n, k)
        dual = (classes.averages.T - classes.within(solved, transposed=True)) / (shrinkage * variance)
        intercept = -(of_means * dual).sum(0) / 2
        dual -= dual.mean(1, keepdims=True)
        yield among_all_classes(dual.T, intercept - intercept.mean(), classes.present, n_classes)


def _matrix(products: RowProducts) -> NDArray[np.float32]:
    if not isinstance(products, DenseProducts):
        raise TypeError(f"expected products as a matrix or by their rows, got {type(products).__name__}")
    return products.matrix


@dataclass(frozen=True)
class _Classes:
    """Which rows belong to which class.

    Attributes
    ----------
    present : ndarray of shape (k,), int64
        Classes with rows.
    place : ndarray of shape (n,), int64
        Class of every row, as a place in `present`.
    averages : ndarray of shape (k, n)
        Class means are this times the rows.
    root : ndarray of shape (n, 1)
        Root of every row's weight: each class has a share of 1 / k in the covariance.
    """

    present: NDArray[np.int64]
    place: NDArray[np.int64]
    averages: _FLOATS
    root: _FLOATS

    @classmethod
    def of(cls, y: NDArray[np.int64]) -> "_Classes":
        present, place, counts = np.unique(y, return_inverse=True, return_counts=True)
        averages = (place == np.arange(len(present))[:, None]) / counts[:, None]
        return cls(present, place, averages, np.sqrt(1 / (len(present) * counts))[place][:, None])

    def within(self, rows: _FLOATS, *, transposed: bool = False) -> _FLOATS:
        """Weighted deviations of rows from the mean of their class, (n, m) to (n, m); or the transposed product."""
        if transposed:
            rows = self.root * rows
        deviations = rows - (self.averages @ rows)[self.place]
        return deviations if transposed else self.root * deviations
