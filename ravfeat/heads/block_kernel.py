"""RBF kernel ridge on blocks: every layer, statistic and part of a clip weighs the same in its distance.

The second edition of `ravfeat.heads.kernel`, which keeps its name and its numbers. A block is one statistic of one
layer, of the whole clip or of its speech-active part. Every dimension is standardised on the training rows, so that the
mean squared distance of a block is twice its width, whatever it holds; divided by it, blocks of all widths weigh the
same. All layers but layer 0, which is before the encoder's first block, count together: there is no choice among layers
to get wrong on a few validation actors. Views of clips train as rows, and only the clean rows are centres of the
kernel; see `ravfeat.heads.subset_ridge`.

Conventions
-----------
Axes: N rows of features, n training rows, m centres, L layers, S statistics, D dimensions, K classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ravfeat.documents import NotEmpty, Positive
from ravfeat.features.clips import ClipFeatures
from ravfeat.features.statistics import FACE_MOTION_STATISTICS
from ravfeat.heads.base import Job
from ravfeat.heads.gram import Scaler
from ravfeat.heads.kernel import KernelHead, KernelModel
from ravfeat.heads.kernel_ridge import squared_distances
from ravfeat.heads.subset_ridge import SubsetRidge
from ravfeat.numerics.pooling import Statistic

__all__ = ["BlockKernelHead", "block_distances", "centres_of"]

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class BlockKernelHead(KernelHead):
    """Kernel ridge on blocks of statistics.

    Parameters
    ----------
    layers, std, statistics, parts, gammas, alphas
        As of `ravfeat.heads.kernel.KernelHead`; by default five statistics of all layers but layer 0.
    """

    name: ClassVar[str] = "block-kernel"
    of_faces: ClassVar[tuple[Statistic, ...]] = FACE_MOTION_STATISTICS
    """The statistics of faces, where none are asked for."""
    fits_pooled: ClassVar[bool] = True
    """Of a pooled cache it reads those of its default statistics that are stored."""

    statistics: Annotated[tuple[Statistic, ...], NotEmpty] = ("mean", "std", "min", "max", "speed")
    gammas: Annotated[tuple[Positive, ...], NotEmpty] = (0.25, 0.5)
    alphas: Annotated[tuple[Positive, ...], NotEmpty] = (0.1, 0.3, 1.0)

    def _layer_sets(self, features: ClipFeatures) -> list[list[int]]:
        if self.layers is not None:
            return super()._layer_sets(features)
        above = [layer for layer in features.layers if layer > 0]
        return [above or list(features.layers)]

    def _score(
        self,
        statistics: NDArray[np.float32],
        y: Rows,
        n_classes: int,
        job: Job,
        sets: list[list[int]],
        blocks: tuple[int, ...],
    ) -> NDArray[np.float32]:
        if job.clips is None:
            return super()._score(statistics, y, n_classes, job, sets, blocks)
        # One set of layers; all that are pooled are in it.
        scaler, centres = Scaler.of(statistics, job.train, blocks), centres_of(job)
        train, middle, val = (
            block_distances(statistics, scaler, rows, centres) for rows in (job.train, centres, job.val)
        )
        scored = []
        for gamma in self.gammas:
            ridge = SubsetRidge(np.exp(-gamma * train), np.exp(-gamma * middle), y[job.train], n_classes, job.clips)
            kernel = np.exp(-gamma * val)  # (m, n)
            scored += [kernel @ ridge.dual(alpha) for alpha in self.alphas]
        return np.stack(scored).astype(np.float32)

    def _fit_one(
        self, statistics: NDArray[np.float32], y: Rows, n_classes: int, job: Job, recipe: dict[str, Any]
    ) -> KernelModel:
        if job.clips is None:
            return super()._fit_one(statistics, y, n_classes, job, recipe)
        chosen: Mapping[str, Any] = recipe["chosen"]
        scaler, centres = Scaler.of(statistics, job.train, recipe.get("blocks", ())), centres_of(job)
        train, middle = (block_distances(statistics, scaler, rows, centres) for rows in (job.train, centres))
        kernel, centre_kernel = (np.exp(-chosen["gamma"] * distances) for distances in (train, middle))
        ridge = SubsetRidge(kernel, centre_kernel, y[job.train], n_classes, job.clips)
        dual = ridge.dual(chosen["alpha"]).astype(np.float32)
        rows = scaler.wide_rows(statistics, centres)
        # The distance of two rows is 2 for every layer on average; see `KernelModel.logits`.
        width = np.array([2.0 * statistics.shape[1]], np.float64)
        return KernelModel(scaler, rows.astype(np.float16), dual, width, recipe, self._names)


def centres_of(job: Job) -> Rows:
    """Give the training rows that are clips and no views of them."""
    return job.train if job.clips is None else job.train[job.clips == job.train]


def block_distances(statistics: NDArray[np.float32], scaler: Scaler, rows: Rows, centres: Rows) -> NDArray[np.float32]:
    """Squared distances of rows to centres, 1 on average; one layer after the other, so that no wide row is built.

    Parameters
    ----------
    statistics : ndarray of shape (N, L, S, D)
    scaler : Scaler
        Of the training rows.
    rows, centres : ndarray of int64

    Returns
    -------
    ndarray of shape (len(rows), len(centres)), float32
    """
    total = np.zeros((len(rows), len(centres)), np.float32)
    for layer in range(statistics.shape[1]):
        # Rounded as they are stored in the model.
        stored = scaler.rows(statistics, centres, layer).astype(np.float16)
        total += squared_distances(scaler.rows(statistics, rows, layer), stored)
    return np.asarray(total / np.float32(2 * scaler.mean.size))
