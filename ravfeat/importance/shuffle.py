"""Shuffle groups of inputs between clips: every clip gets the layer, statistic or feature of another one.

A group moves whole: the clip that a layer comes from is drawn, and all its frames come from there. Where the two clips
are not equally long, the frame at the same share of the length is taken. Labels play no part.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ravfeat.features.clips import ClipFeatures
from ravfeat.features.statistics import select_clips
from ravfeat.importance.groups import Cells

__all__ = ["ShuffledClips", "source_frames"]

Rows = NDArray[np.int64]


def source_frames(offsets: Rows, sources: Rows) -> Rows:
    """Say which frame each frame comes from, when clip ``i`` gets the content of clip ``sources[i]``.

    Parameters
    ----------
    offsets : ndarray of shape (N + 1,), int64
    sources : ndarray of shape (N,), int64

    Returns
    -------
    ndarray of shape (F,), int64

    Examples
    --------
    >>> source_frames(np.array([0, 2, 6]), np.array([1, 0])).tolist()
    [3, 5, 0, 0, 1, 1]
    """
    lengths = np.diff(offsets)
    clips = np.repeat(np.arange(len(lengths)), lengths)
    shares = (np.arange(offsets[-1]) - offsets[clips] + 0.5) / lengths[clips]
    theirs = sources[clips]
    return np.asarray(offsets[theirs] + np.floor(shares * lengths[theirs]), np.int64)


class ShuffledClips:
    """Some clips of all streams, in memory, of which groups of inputs are shuffled and put back.

    Parameters
    ----------
    features : ClipFeatures
    rows : ndarray of int64
        The N clips.

    Attributes
    ----------
    features : ClipFeatures
        Of the N clips, as they are now.
    """

    def __init__(self, features: ClipFeatures, rows: Rows) -> None:
        chosen = select_clips(features, rows)
        self._offsets = [stream.offsets for stream in (chosen, *chosen.also)]
        self._kept = [stream.frames for stream in (chosen, *chosen.also)]
        # Copies: `select_clips` may have given the arrays that all folds share.
        self._frames = [frames.copy(order="K") for frames in self._kept]
        first, *others = (
            replace(stream, frames=frames, also=())
            for stream, frames in zip((chosen, *chosen.also), self._frames, strict=True)
        )
        self.features = replace(first, also=tuple(others))

    def score(
        self,
        cells: Sequence[Cells],
        sources: Rows,
        score: Callable[[ClipFeatures], NDArray[np.float32]],
        *,
        others: bool = False,
    ) -> NDArray[np.float32]:
        """Score the clips while some of their inputs, or all `others`, are those of the clips `sources`."""
        taken = [source_frames(offsets, sources) for offsets in self._offsets]
        changed = self._whole if others else cells
        try:
            for each in changed:
                self._fill(each, taken[each.stream])
            for each in cells if others else ():
                self._fill(each, None)
            return score(self.features)
        finally:
            for each in changed:
                self._fill(each, None)

    @property
    def _whole(self) -> list[Cells]:
        return [
            Cells(stream, tuple(range(frames.shape[1])), np.arange(frames.shape[2]))
            for stream, frames in enumerate(self._kept)
        ]

    def _fill(self, cells: Cells, taken: Rows | None) -> None:
        frames, kept = self._frames[cells.stream], self._kept[cells.stream]
        for layer in cells.layers:
            block = kept[:, layer] if taken is None else kept[taken, layer]
            frames[:, layer, cells.columns] = block[:, cells.columns]
