"""Read the features of a cache once for all plans of a sweep that read them alike, whatever layers each wants."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ravfeat.experiment.build import read_layers
from ravfeat.experiment.fit import PreparedPlan
from ravfeat.experiment.load import load_system
from ravfeat.experiment.plan import HeadPlan
from ravfeat.experiment.systems import CacheSystem
from ravfeat.features.clips import ClipFeatures, Reading
from ravfeat.features.statistics import layer_positions

__all__ = ["SharedFeatures", "reading_key"]

Key = tuple[object, ...]


def reading_key(system: CacheSystem, reading: Reading, plan: HeadPlan) -> Key:
    """Say what is read, but for layers where these can be cut out of more; plans of one key come after each other."""
    cuttable = len(system.caches) == 1
    paths = tuple(str(cache.path) for cache in system.caches)
    return (paths, repr(reading), system.joint, system.clip_ids, "" if cuttable else str(plan.layers))


class SharedFeatures:
    """Reads what one plan wants after the other, keeping the features of the last key.

    Parameters
    ----------
    plans : sequence of PreparedPlan
        All that will be trained; of a cache, the layers that any of them wants are read.
    """

    def __init__(self, plans: Sequence[PreparedPlan]) -> None:
        self._layers: dict[Key, set[int]] = {}
        for plan in plans:
            system, reading = plan.systems[0], plan.heads[0][0].reading
            wanted = read_layers(plan.plan, system)[0]
            key = reading_key(system, reading, plan.plan)
            self._layers.setdefault(key, set()).update(system.caches[0].layers if wanted is None else wanted)
        self._key: Key | None = None
        self._features: ClipFeatures | None = None

    def __call__(self, plan: HeadPlan, system: CacheSystem, reading: Reading) -> ClipFeatures:
        """Give what `load_system` gives."""
        key = reading_key(system, reading, plan)
        if len(system.caches) > 1:
            return self._kept(key, plan, system, reading)
        union = ",".join(map(str, sorted(self._layers[key])))
        features = self._kept(key, replace(plan, layers=union), system, reading)
        wanted = read_layers(plan, system)[0]
        return features if wanted is None else _only(features, wanted)

    def _kept(self, key: Key, plan: HeadPlan, system: CacheSystem, reading: Reading) -> ClipFeatures:
        if self._features is None or key != self._key:
            self._features = None  # or both would be in memory
            self._key, self._features = key, load_system(plan, system, reading)
        return self._features


def _only(features: ClipFeatures, layers: Sequence[int]) -> ClipFeatures:
    """Keep some layers, in the memory layout that reading them alone gives."""
    if tuple(layers) == features.layers:
        return features
    positions = layer_positions(features, layers)
    if features.stored is not None:
        frames = np.empty((0, len(positions), features.frames.shape[2]), features.frames.dtype)
        return replace(features, frames=frames, layers=tuple(layers), stored=features.stored.only(positions))
    frames = features.frames.transpose(1, 0, 2)[positions].transpose(1, 0, 2)
    return replace(features, frames=frames, layers=tuple(layers))
