"""Standardised statistics of clips and their inner products, layer by layer.

Ridge-penalised models see features only through inner products, so a set of layers is the sum of
its layers' Gram matrices: every set is scored without ever building its wide matrix.

Concatenated caches weigh the same, however many dimensions each has: a dimension counts in inverse
proportion to the width of its cache. On 16 training actors of RAVDESS, scored on inner actors that
neither trained nor tested, 136 landmark coordinates beside 7 expressions gave a UAR of 0.663 (NLL
0.999) in equal blocks and 0.645 (1.039) where every dimension weighed the same; shares of 70 or 30 %
instead of 50 gave 0.665 (0.995) and 0.650 (1.014).

Conventions
-----------
Axes: N clips, n training rows, m rows to score, L layers, S statistics, D dimensions.
Products are divided by S * D, so that a typical clip has norm 1 per layer whatever its width.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import HeadError
from ravfeat.heads.arrays import ArrayKind
from ravfeat.heads.base import Job
from ravfeat.heads.recipe import HeadRecipe

__all__ = ["Scaler", "SetProducts", "scaler_kinds", "set_products", "set_rows"]

_FLOOR = 1e-6


@dataclass(frozen=True)
class Scaler:
    """Mean and standard deviation of statistics over training rows.

    Attributes
    ----------
    mean, std : ndarray of shape (L, S, D), float32
    """

    mean: NDArray[np.float32]
    std: NDArray[np.float32]

    @classmethod
    def of(cls, statistics: NDArray[np.float32], rows: NDArray[np.int64], blocks: Sequence[int] = ()) -> "Scaler":
        """Learn from some rows of an array of shape (N, L, S, D); one layer at a time.

        Parameters
        ----------
        statistics : ndarray of shape (N, L, S, D)
        rows : ndarray of int64
        blocks : sequence of int
            Widths of concatenated caches, summing to D. Their weights become part of `std`: the squares
            of a typical clip sum to D over all of them and to D / len(blocks) over each.
        """
        mean = np.empty(statistics.shape[1:], np.float32)  # (L, S, D)
        std = np.empty_like(mean)
        for layer in range(statistics.shape[1]):
            # Picking rows makes a copy; of one layer it is small.
            layer_rows = statistics[rows, layer]
            mean[layer] = layer_rows.mean(0)
            std[layer] = layer_rows.std(0)
        # A statistic that never changes must not be divided by 0.
        std = np.maximum(std, _FLOOR)
        return cls(mean, std / _block_weights(blocks) if blocks else std)

    def rows(self, statistics: NDArray[np.float32], rows: NDArray[np.int64], layer: int) -> NDArray[np.float32]:
        """Standardise one layer of some rows and flatten it: shape (len(rows), S * D)."""
        z = (statistics[rows, layer] - self.mean[layer]) / self.std[layer]  # (m, S, D)
        return np.asarray(z.reshape(len(rows), self.mean[layer].size), np.float32)

    def wide_rows(self, statistics: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Standardise all layers of some rows, side by side: shape (len(rows), L * S * D)."""
        return np.hstack([self.rows(statistics, rows, layer) for layer in range(len(self.mean))])


def scaler_kinds(recipe: HeadRecipe, chosen: Sequence[int], statistics: Sequence[str]) -> dict[str, ArrayKind]:
    """Say what the arrays of the scaler of a trained head are.

    Raises
    ------
    HeadError
        Where the layers that were chosen are not those that the head reads.
    """
    if list(chosen) != recipe["layers"]:
        raise HeadError(f"chosen.layers is {list(chosen)}, and layers is {recipe['layers']}")
    shape = (len(chosen), len(statistics), recipe["dim"])
    return {"mean": ArrayKind(shape), "std": ArrayKind(shape, positive=True)}


def _block_weights(blocks: Sequence[int]) -> NDArray[np.float32]:
    """Weight of every dimension of concatenated caches, shape (D,)."""
    # Squares of a block sum to its width w on average; times D / (len(blocks) * w) they sum to D / len(blocks).
    widths = np.repeat(blocks, blocks)
    return np.sqrt(len(widths) / (len(blocks) * widths)).astype(np.float32)


@dataclass(frozen=True)
class SetProducts:
    """Inner products with the training rows, averaged over the layers of a set.

    Attributes
    ----------
    train : ndarray of shape (n, n), float32
    val : ndarray of shape (m, n), float32
    val_squares : ndarray of shape (m,), float32
        Squared norm of every row to score.
    """

    train: NDArray[np.float32]
    val: NDArray[np.float32]
    val_squares: NDArray[np.float32]

    def distances(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Squared distances to the training rows, from train and from val rows."""
        # |a - b|^2 from inner products; rounding can leave it just below 0.
        squares = np.diagonal(self.train)
        return (
            np.maximum(squares[:, None] + squares - 2 * self.train, 0),
            np.maximum(self.val_squares[:, None] + squares - 2 * self.val, 0),
        )

    def scaled(self, factor: float) -> "SetProducts":
        """Give the same with every product multiplied."""
        return SetProducts(self.train * factor, self.val * factor, self.val_squares * factor)

    def add(self, other: "SetProducts", factor: float) -> None:
        """Add a multiple of another's products to these."""
        for name in ("train", "val", "val_squares"):
            # In place: only sets of several layers come here, and `scaled` made their arrays for them alone.
            total = getattr(self, name)
            total += factor * getattr(other, name)


def set_products(
    statistics: NDArray[np.float32], job: Job, sets: Sequence[Sequence[int]], blocks: Sequence[int] = ()
) -> Iterator[tuple[int, SetProducts]]:
    """Multiply out the standardised statistics of a job, for sets of layers.

    Layers are multiplied one after another, and only the sums of sets that are not complete are held.

    Parameters
    ----------
    statistics : ndarray of shape (N, L, S, D)
    job : Job
        Its training rows give the scale.
    sets : sequence of sequence of int
        Positions on the layer axis.
    blocks : sequence of int
        See `Scaler.of`.

    Yields
    ------
    number : int
        Of a set, as soon as its last layer is done; every set once.
    products : SetProducts
        To be read only.
    """
    sums: dict[int, SetProducts] = {}
    # Layers outermost: each is multiplied once, however many sets hold it.
    for layer in sorted({position for positions in sets for position in positions}):
        products = _layer_products(statistics, job, layer, blocks)
        for number, positions in enumerate(sets):
            if layer not in positions:
                continue
            share = list(positions).count(layer) / len(positions)  # a layer may be named twice
            if number in sums:
                sums[number].add(products, share)
            else:
                # A set of one layer shares the arrays of that layer, hence "to be read only".
                sums[number] = products if share == 1 else products.scaled(share)
            if layer == max(positions):
                yield number, sums.pop(number)


def set_rows(
    statistics: NDArray[np.float32], job: Job, positions: Sequence[int], blocks: Sequence[int] = ()
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Standardise the statistics of a set of layers, side by side, so that their products are those of `set_products`.

    Returns
    -------
    train : ndarray of shape (n, layers * S * D)
    val : ndarray of shape (m, layers * S * D)
    """
    of_set = statistics[:, list(positions)]
    scaler = Scaler.of(of_set, job.train, blocks)
    scale = np.float32(1 / np.sqrt(scaler.mean.size))
    train, val = (scaler.wide_rows(of_set, rows) * scale for rows in (job.train, job.val))
    return train, val


def _layer_products(statistics: NDArray[np.float32], job: Job, layer: int, blocks: Sequence[int]) -> SetProducts:
    of_layer = statistics[:, layer : layer + 1]
    scaler = Scaler.of(of_layer, job.train, blocks)
    train, val = scaler.rows(of_layer, job.train, 0), scaler.rows(of_layer, job.val, 0)
    width = np.float32(train.shape[1])
    return SetProducts(train @ train.T / width, val @ train.T / width, np.square(val).sum(1) / width)
