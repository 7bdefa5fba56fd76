"""Rows that teach: the clips themselves, and views of them that only ever train.

A system's N clips are rows 0 to N - 1. Every further row is a view of one of them: the same recording, changed.
Folds, validation and predictions know the first N only. A view joins a training side where its clip is on that
side, and this is checked wherever rows are handed to a head.

Offers
------
TrainingRows, stack_features.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import LeakError
from ravfeat.heads.base import ClipFeatures

__all__ = ["TrainingRows", "stack_features"]

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
            Clips that the head is judged on: of validation and test.

        Returns
        -------
        ndarray of int64
            Rows of features; `train` itself where there are no views.

        Raises
        ------
        LeakError
            Where a row that is held out is a view, or a clip that teaches is held out.
        """
        held = np.concatenate([np.zeros(0, np.int64), *held_out])
        if len(judged := held[held >= self.n_clips]) or (train >= self.n_clips).any():
            what = f"row {judged[0]} is judged" if len(judged) else "a view is dealt into a fold as a clip"
            raise LeakError(f"{what}; the {self.n_clips} clips alone are dealt and judged, views of them only teach")
        both = np.intersect1d(train, held)
        if len(both):
            raise LeakError(
                f"{len(both)} clips teach and are judged, first row {both[0]}: views of a clip that is judged must not"
                " train"
            )
        if len(self.origin) == self.n_clips:
            return train
        return np.flatnonzero(np.isin(self.origin, train)).astype(np.int64)

    def clips_of(self, train: Rows) -> Rows | None:
        """Give the clip of every training row; None where there are no views, so that each is a clip of its own."""
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
    starts = np.cumsum([0, *(len(part.frames) for part in parts)])
    ends = [part.offsets[1:] + start for part, start in zip(parts, starts[:-1], strict=True)]
    offsets = np.concatenate([np.zeros(1, np.int64), *ends]).astype(np.int64)
    return replace(parts[0], frames=np.concatenate([part.frames for part in parts]), offsets=offsets)
