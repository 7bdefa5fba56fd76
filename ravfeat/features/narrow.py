"""Narrow the stored frames of clips to what a head reads: averages of windows of frames, or pooled statistics.

Blocks that a cache gives and blocks that were encoded a moment ago go through the same code, so that a head reads the
same numbers of a cache and of a recording.

Conventions
-----------
Blocks are (L, T, D): layers lie outermost, as they do on the disk and as networks read them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.features.allocate import allocate_array
from ravfeat.features.clips import ClipFeatures, Reading
from ravfeat.features.statistics import clip_statistics
from ravfeat.numerics.parts import Shares, pool_parts
from ravfeat.numerics.pooling import average_block

__all__ = [
    "NarrowedClips",
    "Narrowing",
    "StoredLayout",
    "concatenate_features",
    "frame_offsets",
    "narrow_blocks",
]


@dataclass(frozen=True)
class StoredLayout:
    """How blocks are stored.

    Attributes
    ----------
    dim : int
        Width of a stored frame, with all statistics of a pooled cache.
    dtype : dtype
    statistics : tuple of str
        Of a pooled cache; empty where frames are stored.
    frame_stride : int
        Encoder frames that were averaged to a stored one.
    """

    dim: int
    dtype: np.dtype[Any]
    statistics: tuple[str, ...] = ()
    frame_stride: int = 1


@dataclass(frozen=True)
class Narrowing:
    """What becomes of a clip's stored frames.

    Attributes
    ----------
    window : int
        Stored frames that are averaged to one.
    statistics : tuple of str
        Taken over all frames of a clip or of a part of it, where not empty.
    """

    window: int
    statistics: tuple[str, ...]

    @classmethod
    def of(cls, stored: StoredLayout, reading: Reading) -> "Narrowing":
        """Say what a head's reading means for blocks that are stored like this."""
        if stored.statistics:
            return cls(1, ())  # one frame for each clip already
        # A head counts in frames of the encoder; a cache may have averaged some of them already.
        return cls(max(1, round(reading.window / stored.frame_stride)), reading.statistics)

    @property
    def narrows(self) -> bool:
        """Whether anything is averaged."""
        return self.window > 1 or bool(self.statistics)

    def count(self, n_frames: int) -> int:
        """Say how many frames remain of a clip."""
        return 1 if self.statistics else -(-n_frames // self.window)

    def __call__(self, block: NDArray[Any], active: Shares | None = None) -> NDArray[Any]:
        """Narrow a block (L, T, D) of a clip whose speech-active part is `active`, as far as it is known."""
        if self.statistics:
            return pool_parts(block, self.statistics, active).reshape(len(block), 1, -1)
        return block if self.window == 1 else average_block(block, self.window)


class NarrowedClips:
    """Narrowed clips, filled block by block.

    Parameters
    ----------
    stored : StoredLayout
    narrowing : Narrowing
    layers : sequence of int
        Numbers of the L layers of every block.
    lengths : sequence of int
        Stored frames of each of the N clips.
    """

    def __init__(
        self, stored: StoredLayout, narrowing: Narrowing, layers: Sequence[int], lengths: Sequence[int]
    ) -> None:
        self._stored, self._narrowing, self._layers = stored, narrowing, tuple(layers)
        self._offsets = frame_offsets([narrowing.count(length) for length in lengths])
        shape = (len(layers), int(self._offsets[-1]), stored.dim * max(1, len(narrowing.statistics)))
        # Averaged windows are kept in the dtype of what is stored: heads learned from such numbers.
        self._frames = allocate_array(shape, np.float32 if narrowing.statistics else stored.dtype)

    def put(self, places: Sequence[int], rows: slice, block: NDArray[Any], active: Shares | None = None) -> None:
        """Narrow some layers of a clip, and write them to every place where the clip is wanted.

        Parameters
        ----------
        places : sequence of int
            Among the N clips.
        rows : slice
            Which of the L layers these are.
        block : ndarray of shape (L', T, D)
        active : (start, end), optional
            The clip's speech-active part, where statistics of it are wanted.
        """
        narrow = self._narrowing(block, active)  # (L', T', D')
        for place in places:
            start = self._offsets[place]
            self._frames[rows, start : start + narrow.shape[1]] = narrow

    def features(self) -> ClipFeatures:
        """Give the features of all clips, once they are filled."""
        statistics = self._stored.statistics or self._narrowing.statistics
        return ClipFeatures(
            frames=self._frames.transpose(1, 0, 2),
            offsets=self._offsets,
            layers=self._layers,
            statistics=statistics,
            window=1 if statistics else self._narrowing.window * self._stored.frame_stride,
        )


def narrow_blocks(
    blocks: Sequence[NDArray[Any]],
    stored: StoredLayout,
    layers: Sequence[int],
    reading: Reading,
    active: Sequence[Shares] | None = None,
) -> ClipFeatures:
    """Give the features of clips whose blocks lie in memory.

    Parameters
    ----------
    blocks : sequence of ndarray of shape (L, T, D)
        As `ravfeat.cache.Cache.read` would give them, of the layers that are to be read.
    stored : StoredLayout
    layers : sequence of int, length L
    reading : Reading
    active : sequence of (start, end), optional
        The speech-active part of every clip, where `reading` has statistics of it.

    Raises
    ------
    RavfeatError
        Where it has, and the parts are not given.
    """
    narrowed = NarrowedClips(stored, Narrowing.of(stored, reading), layers, [block.shape[1] for block in blocks])
    for place, block in enumerate(blocks):
        narrowed.put([place], slice(None), block, None if active is None else active[place])
    return narrowed.features()


def concatenate_features(parts: Iterable[ClipFeatures], statistics: Sequence[str]) -> ClipFeatures:
    """Lay pooled statistics of the same clips side by side.

    All layers of all parts become one, number 0: parts have different layers, so a head has nothing to choose among.

    Parameters
    ----------
    parts : iterable of ClipFeatures
        Of one cache each, with the same clips in the same order.
    statistics : sequence of str

    Returns
    -------
    ClipFeatures
        One layer; within every statistic each part is a block, as wide as its layers are together.
    """
    blocks = []
    for part in parts:
        pooled = clip_statistics(part, statistics)  # (N, L, S, D)
        blocks.append(pooled.transpose(0, 2, 1, 3).reshape(len(pooled), len(statistics), -1))  # (N, S, L * D)
    frames = np.concatenate(blocks, axis=2)
    return ClipFeatures(
        frames=frames.reshape(len(frames), 1, -1),
        offsets=np.arange(len(frames) + 1, dtype=np.int64),
        layers=(0,),
        statistics=tuple(statistics),
        blocks=tuple(block.shape[2] for block in blocks),
    )


def frame_offsets(lengths: Sequence[int]) -> NDArray[np.int64]:
    """Say where every clip begins and the last one ends, shape (N + 1,)."""
    return np.concatenate([[0], np.cumsum(np.array(lengths, np.int64))]).astype(np.int64)
