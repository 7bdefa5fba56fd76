"""Load the features of a system as a head reads them, and keep them for several heads or plans."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from ravfeat.experiment.build import read_layers
from ravfeat.experiment.plan import HeadPlan
from ravfeat.experiment.systems import CacheSystem
from ravfeat.features.clips import ClipFeatures, Reading
from ravfeat.features.load import load_features
from ravfeat.features.statistics import select_clips
from ravfeat.features.training_rows import stack_features

__all__ = ["FeatureLoader", "Load", "load_system", "load_training"]

Load = Callable[[HeadPlan, CacheSystem, Reading], ClipFeatures]


def load_system(plan: HeadPlan, system: CacheSystem, reading: Reading) -> ClipFeatures:
    """Read the features of a system's clips, of the layers that a plan names.

    Raises
    ------
    CacheError
        Where a cache lacks what is to be read, or does not hold what its digests promise.
    """
    return system.load(reading, read_layers(plan, system))


def load_training(plan: HeadPlan, system: CacheSystem, reading: Reading, load: Load = load_system) -> ClipFeatures:
    """Read the features of a system's clips and, after them, of their views; see `CacheSystem.rows`.

    Of several streams, each has these rows: where a row is a view of another stream, the clip itself stands there.
    """
    clips = load(plan, system, reading)
    if not system.views:
        return clips
    first, *others = (
        stack_features([stream, *_views_in(plan, system, reading.of_stream(number), number, stream)])
        for number, stream in enumerate((replace(clips, also=()), *clips.also))
    )
    return replace(first, also=tuple(others))


def _views_in(
    plan: HeadPlan, system: CacheSystem, reading: Reading, number: int, stream: ClipFeatures
) -> Iterator[ClipFeatures]:
    """Give what every view is in one of the system's streams."""
    layers = read_layers(plan, system)[number]
    for view in system.views:
        if view.of == number:
            yield load_features(view.cache, view.clip_ids, reading, layers=layers)
        else:
            yield select_clips(stream, view.rows)


class FeatureLoader:
    """Reads features once and keeps them as long as it lives; their digests are checked as they come."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Any, ...], ClipFeatures] = {}

    def __call__(self, plan: HeadPlan, system: CacheSystem, reading: Reading) -> ClipFeatures:
        """Give what `load_system` gives."""
        paths = tuple(cache.path for cache in system.caches)
        # All that decides what is read: a head with another reading of the same cache gets arrays of its own.
        key = (paths, system.features, system.clip_ids, reading, plan.layers)
        if key not in self._kept:
            self._kept[key] = load_system(plan, system, reading)
        return self._kept[key]

    def keep_statistics(self) -> None:
        """Free the memory of all that is more than statistics: one frame per clip."""
        self._kept = {key: clips for key, clips in self._kept.items() if len(clips.frames) == len(clips)}
