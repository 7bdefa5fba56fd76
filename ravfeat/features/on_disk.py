"""Read frames from the disk while training, for caches larger than the memory that training may take.

A training reads the clips of a step when it needs them, layer by layer, and the system is told which clips the next
step wants. It keeps in memory what fits, as it does of every file, and takes it back where another program needs it.

Conventions
-----------
Axes: N clips, L layers, T frames of a clip, F frames of a shard, D dimensions.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Shard", "StoredFrames"]


class _Readable(Protocol):
    """Features of one shard, (L, F, D)."""

    dtype: np.dtype[Any]

    def read(self, layers: slice, frames: slice, out: NDArray[Any]) -> None:
        """Read positions on the first two axes into ``out``."""
        ...

    def expect(self, layers: slice | None = None, frames: slice | None = None) -> None:
        """Tell the system that they will be read soon."""
        ...


@dataclass(frozen=True)
class Shard:
    """One shard.

    Attributes
    ----------
    features : object with ``read`` and ``expect``
    blaming : callable
        Gives the context in which reading errors name the shard.
    """

    features: _Readable
    blaming: Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class StoredFrames:
    """Frames of N clips in shards.

    Attributes
    ----------
    shards : tuple of Shard
    positions : tuple of int, length L
        Where the layers lie in the shards.
    dim : int
    shard_of : ndarray of shape (N,), int64
        Which shard holds a clip.
    starts, lengths : ndarray of shape (N,), int64
        The clip's first frame there, and how many it has.
    """

    shards: tuple[Shard, ...]
    positions: tuple[int, ...]
    dim: int
    shard_of: NDArray[np.int64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def __len__(self) -> int:
        """Count the clips."""
        return len(self.starts)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the stored numbers."""
        return self.shards[0].features.dtype

    def read_layer(self, row: int, layer: int, out: NDArray[Any]) -> None:
        """Read a clip's frames in one layer into ``out``, of shape (T, D) and the stored dtype.

        Raises
        ------
        ShardError
            Where the shard cannot be read, or ends before them.
        """
        shard, position = self.shards[self.shard_of[row]], self.positions[layer]
        # A damaged file is found in the middle of training: its error must say which shard to make again.
        with shard.blaming():
            shard.features.read(slice(position, position + 1), self._frames(row), out)

    def read(self, row: int) -> NDArray[Any]:
        """Read a clip: (T, L, D)."""
        clip = np.empty((len(self.positions), int(self.lengths[row]), self.dim), self.dtype)
        for layer, out in enumerate(clip):
            self.read_layer(row, layer, out)
        return clip.transpose(1, 0, 2)  # (L, T, D) -> (T, L, D)

    def only(self, layers: Sequence[int]) -> "StoredFrames":
        """Keep some layers, by their place among those that are there."""
        return replace(self, positions=tuple(self.positions[layer] for layer in layers))

    def expect(self, rows: NDArray[np.int64]) -> None:
        """Tell the system that some clips will be read soon."""
        for row in rows.tolist():
            for position in self.positions:
                features = self.shards[self.shard_of[row]].features
                features.expect(slice(position, position + 1), self._frames(row))

    def _frames(self, row: int) -> slice:
        start = int(self.starts[row])
        return slice(start, start + int(self.lengths[row]))

    @classmethod
    def stacked(cls, parts: Sequence["StoredFrames"]) -> "StoredFrames":
        """Put the clips of several, of the same layers, under each other."""
        # All shards get one numbering: those of a part come after those of the parts before it.
        counts = np.cumsum([0, *(len(part.shards) for part in parts)])
        return replace(
            parts[0],
            shards=tuple(shard for part in parts for shard in part.shards),
            shard_of=np.concatenate([part.shard_of + first for part, first in zip(parts, counts[:-1], strict=True)]),
            starts=np.concatenate([part.starts for part in parts]),
            lengths=np.concatenate([part.lengths for part in parts]),
        )
