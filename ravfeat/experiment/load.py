"""Load the features of a system as a head reads them, and keep them for several heads or plans."""

from collections.abc import Callable
from functools import partial
from typing import Any

from ravfeat.experiment.build import read_layers
from ravfeat.experiment.plan import HeadPlan
from ravfeat.experiment.systems import CacheSystem
from ravfeat.features.clips import ClipFeatures, Reading
from ravfeat.features.load import load_features
from ravfeat.features.training_rows import add_views

__all__ = ["FeatureLoader", "Load", "load_scored", "load_system", "load_training"]

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
    """Read the features of all rows of a system, see `CacheSystem.rows`, with its views as `add_views` adds them."""
    layers = read_layers(plan, system)
    views = [
        (
            view.of,
            view.rows,
            partial(load_features, view.cache, view.clip_ids, reading.of_stream(view.of), layers=layers[view.of]),
        )
        for view in system.views
    ]
    return add_views(load(plan, system, reading), views, system.average)


def load_scored(plan: HeadPlan, system: CacheSystem, reading: Reading, load: Load = load_system) -> ClipFeatures:
    """Read what `TrainingRows.logits` needs to score the clips of a system: views only where something is averaged."""
    return (load if system.average == "none" else partial(load_training, load=load))(plan, system, reading)


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
