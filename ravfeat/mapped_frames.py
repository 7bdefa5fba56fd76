"""Frames of clips that stay on the disk, for caches larger than the memory that training may take.

Shards are mapped, not read: the operating system keeps in memory what fits, as it does for every file, and takes it
back where somebody else needs it. Clips are copied out as a training asks for them, and those of its next step are
touched meanwhile.

Conventions
-----------
Axes: N clips, L layers, T frames of a clip, F frames of a shard, D dimensions.

Offers
------
MappedFrames.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MappedFrames"]

_PAGE = 4096


@dataclass(frozen=True)
class MappedFrames:
    """Frames of N clips in mapped files.

    Attributes
    ----------
    shards : tuple of tuple of ndarray, each of shape (F, D)
        For every shard, its layers.
    shard_of : ndarray of shape (N,), int64
        Which shard holds a clip.
    starts : ndarray of shape (N,), int64
        The clip's first frame there.
    lengths : ndarray of shape (N,), int64
    """

    shards: tuple[tuple[NDArray[Any], ...], ...]
    shard_of: NDArray[np.int64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def __len__(self) -> int:
        """Count the clips."""
        return len(self.starts)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the stored numbers."""
        stored: np.dtype[Any] = self.shards[0][0].dtype
        return stored

    def of_layer(self, row: int, layer: int) -> NDArray[Any]:
        """Give a clip's frames in one layer, uncopied: (T, D)."""
        start = self.starts[row]
        frames: NDArray[Any] = self.shards[self.shard_of[row]][layer]
        return frames[start : start + self.lengths[row]]

    def read(self, row: int) -> NDArray[Any]:
        """Copy a clip: (T, L, D)."""
        return np.stack([self.of_layer(row, layer) for layer in range(len(self.shards[0]))], axis=1)

    def only(self, layers: Sequence[int]) -> "MappedFrames":
        """Keep some layers, by position."""
        shards = tuple(tuple(shard[layer] for layer in layers) for shard in self.shards)
        return MappedFrames(shards, self.shard_of, self.starts, self.lengths)

    def touch(self, rows: NDArray[np.int64]) -> None:
        """Read a byte of every page of some clips, so that they are in memory soon after."""
        for row in rows:
            for layer in range(len(self.shards[0])):
                frames = self.of_layer(int(row), layer)
                frames.reshape(-1).view(np.uint8)[::_PAGE].max()

    @classmethod
    def stacked(cls, parts: Sequence["MappedFrames"]) -> "MappedFrames":
        """Put the clips of several under each other."""
        counts = np.cumsum([0, *(len(part.shards) for part in parts)])
        return cls(
            tuple(shard for part in parts for shard in part.shards),
            np.concatenate([part.shard_of + first for part, first in zip(parts, counts[:-1], strict=True)]),
            np.concatenate([part.starts for part in parts]),
            np.concatenate([part.lengths for part in parts]),
        )
