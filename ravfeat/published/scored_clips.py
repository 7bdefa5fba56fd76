"""Clips as a published head scores them: their features, and those of their views where a mean over these is scored."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ravfeat.features.clips import ClipFeatures, Reading
from ravfeat.features.statistics import select_clips
from ravfeat.features.training_rows import TrainingRows, average_features, stack_features
from ravfeat.heads.base import Model
from ravfeat.published.parts import Need, PublishedSystem

__all__ = ["LoadView", "ScoredClips", "with_views"]

LoadView = Callable[[Need, Reading], tuple[ClipFeatures, NDArray[np.int64]]]
"""Gives the features of a view, and which of the clips it holds."""


@dataclass(frozen=True)
class ScoredClips:
    """What a system's heads read of N clips.

    Attributes
    ----------
    features : ClipFeatures
        Of the clips and, where scores are averaged, of their views after them.
    rows : TrainingRows
        Which row is a view of which clip.
    """

    features: ClipFeatures
    rows: TrainingRows

    def __len__(self) -> int:
        """Count the clips."""
        return self.rows.n_clips

    def logits(self, model: Model) -> NDArray[np.float32]:
        """Score all clips, shape (N, K), averaged over their views where they have some."""
        return self.rows.logits(model, self.features, np.arange(len(self)))

    def select(self, clips: NDArray[np.int64]) -> "ScoredClips":
        """Give some of the clips, each at most once, with their views."""
        place = np.full(len(self), -1)
        place[clips] = np.arange(len(clips))
        views = np.arange(len(self), len(self.rows.origin))
        views = views[place[self.rows.origin[views]] >= 0]
        rows = np.concatenate([clips, views])
        chosen = TrainingRows.of(len(clips), [place[self.rows.origin[views]]], averages=self.rows.averages)
        return ScoredClips(select_clips(self.features, rows), chosen)


def with_views(system: PublishedSystem, clips: ClipFeatures, load: LoadView) -> ScoredClips:
    """Add to the features of clips what their views are to the heads, as `ravfeat.experiment.load.load_training` does.

    Parameters
    ----------
    system : PublishedSystem
    clips : ClipFeatures
    load : callable
        See `LoadView`.
    """
    if system.average == "none":
        return ScoredClips(clips, TrainingRows.of(len(clips)))
    streams = [replace(clips, also=()), *clips.also]
    readings = [system.reading.of_stream(number) for number in range(len(streams))]
    sides = list(zip(system.needs, readings, strict=True))
    if system.average == "statistics":
        joined = [
            average_features(stream, (load(view, reading) for view in need.views)) if need.views else stream
            for stream, (need, reading) in zip(streams, sides, strict=True)
        ]
        return ScoredClips(_joined(joined), TrainingRows.of(len(clips)))
    views = [(number, *load(view, reading)) for number, (need, reading) in enumerate(sides) for view in need.views]
    # Where a row is a view of another stream, the clip itself stands there.
    joined = [
        stack_features([stream, *(view if of == number else select_clips(stream, rows) for of, view, rows in views)])
        for number, stream in enumerate(streams)
    ]
    return ScoredClips(_joined(joined), TrainingRows.of(len(clips), [rows for _, _, rows in views], averages=True))


def _joined(streams: list[ClipFeatures]) -> ClipFeatures:
    return replace(streams[0], also=tuple(streams[1:]))
