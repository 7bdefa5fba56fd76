"""Load the features of a system's clips from its caches, as a head reads them."""

from collections.abc import Callable
from dataclasses import replace

from ravfeat.experiment.build import read_layers
from ravfeat.experiment.plan import HeadPlan
from ravfeat.experiment.systems import CacheSystem
from ravfeat.features.clips import ClipFeatures, Reading
from ravfeat.features.load import load_concatenated, load_features
from ravfeat.features.training_rows import stack_features

__all__ = ["Load", "load_system", "load_training"]

Load = Callable[[HeadPlan, CacheSystem, Reading], ClipFeatures]
"""Reads the features of a system's clips; whoever trains several plans on them may keep them."""


def load_system(plan: HeadPlan, system: CacheSystem, reading: Reading) -> ClipFeatures:
    """Read the features of a system's clips, in the order of ``system.clips.records``."""
    layers = read_layers(plan, system)
    if system.joint:
        parts = zip(system.caches, system.clip_ids, layers, strict=True)
        first, *others = (load_features(cache, clip_ids, reading, layers=read) for cache, clip_ids, read in parts)
        return replace(first, also=tuple(others))
    if system.concatenated:
        return load_concatenated(system.caches, system.clip_ids, reading.statistics, layers=layers)
    return load_features(system.caches[0], system.clip_ids[0], reading, layers=layers[0])


def load_training(plan: HeadPlan, system: CacheSystem, reading: Reading, load: Load = load_system) -> ClipFeatures:
    """Read the features of a system's clips and, after them, of their views; see `CacheSystem.rows`."""
    clips = load(plan, system, reading)
    layers = read_layers(plan, system)[0]
    views = [load_features(view.cache, view.clip_ids, reading, layers=layers) for view in system.views]
    return stack_features([clips, *views])
