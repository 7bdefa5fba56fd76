"""Training rows: the clips themselves and augmented views of them, which train, and whose scores may be averaged.

A system's N clips are rows 0 to N - 1. Every further row is a view of one of them: the same recording, changed.
Folds and predictions know the first N only. A view joins a training side where its clip is on that side, and this is
checked wherever rows are handed to a head. Where scores are averaged, what is said of a validation or test clip is the
mean over the clip and its own views; they are scored and never trained on.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import LeakError
from ravfeat.features.allocate import allocate_array
from ravfeat.features.clips import ClipFeatures
from ravfeat.features.on_disk import StoredFrames
from ravfeat.features.statistics import select_clips
from ravfeat.schema import AverageViews

__all__ = ["TrainingRows", "View", "add_views", "average_features", "in_memory", "stack_features"]

Rows = NDArray[np.int64]

View = tuple[int, Rows, Callable[[], ClipFeatures]]
"""A view of clips: of which stream, from 0; which clips it holds; and what reads its features."""


class _Scores(Protocol):
    """A trained model."""

    def logits(self, features: ClipFeatures, rows: Rows) -> NDArray[np.float32]:
        """Score rows."""
        ...


@dataclass(frozen=True)
class TrainingRows:
    """Which row is a view of which clip.

    Attributes
    ----------
    n_clips : int
        N.
    origin : ndarray of shape (M,), int64
        The clip that every row is, or is a view of; the first N are ``0 … N - 1``.
    averages : bool
        Whether the scores of a clip are the mean over it and its views; else they are the clip's own.
    """

    n_clips: int
    origin: Rows
    averages: bool = False

    @classmethod
    def of(cls, n_clips: int, views: Sequence[Rows] = (), *, averages: bool = False) -> "TrainingRows":
        """Make rows of clips and, after them, of one view after the other.

        Parameters
        ----------
        n_clips : int
        views : sequence of ndarray of int64
            For each view, the clips that it holds, in the order of its features.
        averages : bool
            See the class.
        """
        return cls(n_clips, np.concatenate([np.arange(n_clips), *views]).astype(np.int64), averages and bool(views))

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

    def scored(self, clips: Rows) -> Rows:
        """Give the rows to score for clips, clip by clip: each and its views where scores are averaged, else itself."""
        if not self.averages:
            return clips
        in_order = np.argsort(self.origin, kind="stable")
        bounds = np.searchsorted(self.origin[in_order], [clips, clips + 1])
        # The empty array: there may be no clip, and `concatenate` refuses an empty list.
        rows = [np.zeros(0, np.int64), *(in_order[start:stop] for start, stop in bounds.T.tolist())]
        return np.concatenate(rows)

    def mean_scores(self, logits: NDArray[np.float32], clips: Rows) -> NDArray[np.float32]:
        """Average the logits of `scored` rows, shape (..., rows, K), to those of the clips, (..., clips, K)."""
        if not self.averages or not len(clips):
            return logits
        counts = np.bincount(self.origin)[clips]
        starts = np.cumsum(counts) - counts
        totals = np.add.reduceat(logits.astype(np.float64), starts, axis=-2)
        return np.asarray(totals / counts[:, None], np.float32)

    def logits(self, model: _Scores, features: ClipFeatures, clips: Rows) -> NDArray[np.float32]:
        """Let a model score clips, averaged as these rows say; shape (clips, K).

        Parameters
        ----------
        model : Model
        features : ClipFeatures
            Of all rows; of the clips alone where nothing is averaged.
        clips : ndarray of int64
        """
        return self.mean_scores(model.logits(features, self.scored(clips)), clips)

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


def add_views(clips: ClipFeatures, views: Sequence[View], average: AverageViews) -> ClipFeatures:
    """Add to the features of clips what their views are to heads.

    Parameters
    ----------
    clips : ClipFeatures
        Of N clips.
    views : sequence of View
        Read one after another.
    average : {"none", "scores", "statistics"}
        With ``statistics`` each clip stays one row, the mean over it and its views. Else views are rows after the
        clips, one view after the other, see `TrainingRows.of`; of several streams each has all these rows, and where
        one is a view of another stream, the clip itself stands there.
    """
    if not views:
        return clips
    first, *others = (
        _add_to_stream(stream, number, views, average)
        for number, stream in enumerate((replace(clips, also=()), *clips.also))
    )
    return replace(first, also=tuple(others))


def _add_to_stream(clips: ClipFeatures, number: int, views: Sequence[View], average: AverageViews) -> ClipFeatures:
    if average == "statistics":
        own = [(rows, read) for stream, rows, read in views if stream == number]
        return average_features(clips, ((read(), rows) for rows, read in own)) if own else clips
    return stack_features(
        [clips, *(read() if stream == number else select_clips(clips, rows) for stream, rows, read in views)]
    )


def average_features(clips: ClipFeatures, views: Iterable[tuple[ClipFeatures, Rows]]) -> ClipFeatures:
    """Average the pooled statistics of every clip over the clip and its views.

    Parameters
    ----------
    clips : ClipFeatures
        Of N clips, one frame each: pooled statistics.
    views : iterable of (ClipFeatures, ndarray of int64)
        Of each view its features, and which clips these are; every clip at most once. Read one after another.

    Returns
    -------
    ClipFeatures
        Of the N clips, in float32. A clip that a view lacks is the mean over those there are.
    """
    total = np.array(clips.frames, np.float32)  # (N, L, S * D), layers outermost in memory as before
    counts = np.ones(len(total), np.float32)
    for view, rows in views:
        total[rows] += view.frames
        counts[rows] += 1
    total /= counts[:, None, None]
    return replace(clips, frames=total)


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
