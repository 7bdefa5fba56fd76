"""Clips as a published head scores them: their features, and those of their views where a mean over these is scored."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ravfeat.features.clips import ClipFeatures, Reading
from ravfeat.features.statistics import select_clips
from ravfeat.features.training_rows import TrainingRows, View, add_views
from ravfeat.heads.base import Model
from ravfeat.published.parts import Need, PublishedSystem

__all__ = ["ScoredClips", "with_views"]


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


def with_views(
    system: PublishedSystem,
    clips: ClipFeatures,
    rows_of: Callable[[Need], NDArray[np.int64]],
    read: Callable[[Need, Reading], ClipFeatures],
) -> ScoredClips:
    """Add to the features of clips what their views are to the heads of a system.

    Parameters
    ----------
    system : PublishedSystem
    clips : ClipFeatures
    rows_of : callable
        Says which of the clips a view holds.
    read : callable
        Reads the features of a view.
    """
    views: list[View] = []
    if system.average != "none":
        views = [
            (number, rows_of(view), partial(read, view, system.reading.of_stream(number)))
            for number, need in enumerate(system.needs)
            for view in need.views
        ]
    own_rows = [rows for _, rows, _ in views] if system.average == "scores" else []
    rows = TrainingRows.of(len(clips), own_rows, averages=system.average == "scores")
    return ScoredClips(add_views(clips, views, system.average), rows)
