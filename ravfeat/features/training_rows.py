"""Training rows: the clips themselves, and augmented views of them that are only ever trained on.

A system's N clips are rows 0 to N - 1. Every further row is a view of one of them: the same recording, changed.
Folds, validation and predictions know the first N only. A view joins a training side where its clip is on that
side, and this is checked wherever rows are handed to a head.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import LeakError
from ravfeat.features.allocate import allocate_array
from ravfeat.features.clips import ClipFeatures
from ravfeat.features.on_disk import StoredFrames

__all__ = ["TrainingRows", "in_memory", "stack_features"]

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class TrainingRows:
    """Which row is a view of which clip.

    Attributes
    ----------
    n_clips : int
        N.
    origin : ndarray of shape (M,), int64
        The clip that every row is, or is a view of; the first N are ``0 … N - 1``.
    """

    n_clips: int
    origin: Rows

    @classmethod
    def of(cls, n_clips: int, views: Sequence[Rows] = ()) -> "TrainingRows":
        """Make rows of clips and, after them, of one view after the other.

        Parameters
        ----------
        n_clips : int
        views : sequence of ndarray of int64
            For each view, the clips that it holds, in the order of its features.
        """
        return cls(n_clips, np.concatenate([np.arange(n_clips), *views]).astype(np.int64))

    def spread(self, y: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give every row the label of its clip: shape (N,) becomes (M,)."""
        return np.asarray(y[self.origin], np.int64)

    def extend(self, train: Rows, held_out: Sequence[Rows]) -> Rows:
        """Add to a training side the views of its clips.

        Parameters
        ----------
        train : ndarray of int64
            Clips.
        held_out : sequence of ndarray of int64
            Clips that the head is scored on: of validation and test.

        Returns
        -------
        ndarray of int64
            Rows of features; `train` itself where there are no views.

        Raises
        ------
        LeakError
            Where a row that is held out is a view, or a clip that trains is held out.
        """
        # The empty array: there may be nothing held out, and `concatenate` refuses an empty list.
        held_rows = np.concatenate([np.zeros(0, np.int64), *held_out])
        if len(views := held_rows[held_rows >= self.n_clips]) or (train >= self.n_clips).any():
            reason = f"row {views[0]} is judged" if len(views) else "a view is dealt into a fold as a clip"
            raise LeakError(f"{reason}; the {self.n_clips} clips alone are dealt and judged, views of them only train")
        both = np.intersect1d(train, held_rows)
        if len(both):
            raise LeakError(
                f"{len(both)} clips train and are judged, first row {both[0]}: views of a clip that is judged must not"
                " train"
            )
        if len(self.origin) == self.n_clips:
            return train
        # Every row whose clip trains: the clips themselves, and all views of them.
        return np.flatnonzero(np.isin(self.origin, train)).astype(np.int64)

    def clips_of(self, train: Rows) -> Rows | None:
        """Give the clip of every training row; None where there are no views, so that each is another clip."""
        return None if len(self.origin) == self.n_clips else np.asarray(self.origin[train], np.int64)


def stack_features(parts: Sequence[ClipFeatures]) -> ClipFeatures:
    """Put the clips of several features under each other.

    Parameters
    ----------
    parts : sequence of ClipFeatures
        Of the same layers, statistics and window.
    """
    if len(parts) == 1:
        return parts[0]
    stored = [part.stored for part in parts if part.stored is not None]
    if len(stored) == len(parts):
        return replace(parts[0], offsets=_offsets(parts), stored=StoredFrames.stacked(stored))
    return _stack_in_memory(parts)


def in_memory(features: ClipFeatures) -> ClipFeatures:
    """Give features whose frames are an array: those that stay on the disk are copied into one."""
    return features if features.stored is None else _stack_in_memory([features])


def _stack_in_memory(parts: Sequence[ClipFeatures]) -> ClipFeatures:
    offsets, shape = _offsets(parts), parts[0].frames.shape
    # Layers outermost, as `load_features` gives them; parts may be float16 and float32.
    frames = allocate_array(
        (shape[1], int(offsets[-1]), shape[2]), np.result_type(*(part.frames.dtype for part in parts))
    )
    clips = (clip for part in parts for clip in _clips(part))
    for start, clip in zip(offsets[:-1].tolist(), clips, strict=True):
        frames[:, start : start + len(clip)] = clip.transpose(1, 0, 2)
    return replace(parts[0], frames=frames.transpose(1, 0, 2), offsets=offsets, stored=None)


def _clips(features: ClipFeatures) -> Iterator[NDArray[Any]]:
    """Give every clip: (T, L, D)."""
    for row in range(len(features)):
        frames = slice(features.offsets[row], features.offsets[row + 1])
        yield features.frames[frames] if features.stored is None else features.stored.read(row)


def _offsets(parts: Sequence[ClipFeatures]) -> NDArray[np.int64]:
    lengths = np.concatenate([np.diff(part.offsets) for part in parts])
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
