"""Features of a system, read once for all that is tried on them."""

from typing import Any

from ravfeat.crosscorpus.pairs import CorpusPair
from ravfeat.crosscorpus.run import load_across
from ravfeat.experiment.load import load_system
from ravfeat.experiment.plan import HeadPlan
from ravfeat.experiment.systems import CacheSystem
from ravfeat.features.clips import ClipFeatures, Reading

__all__ = ["Features"]


class Features:
    """Reads features and keeps them; their digests are checked as they come."""

    def __init__(self) -> None:
        self._read: dict[tuple[Any, ...], ClipFeatures] = {}

    def __call__(self, plan: HeadPlan, system: CacheSystem, reading: Reading) -> ClipFeatures:
        """Give the features of a system's clips.

        Raises
        ------
        CacheError
            As `ravfeat.experiment.load.load_system` does.
        """
        key = (tuple(cache.path for cache in system.caches), system.features, system.clip_ids, reading, plan.layers)
        if key not in self._read:
            load = load_across if isinstance(system, CorpusPair) else load_system
            self._read[key] = load(plan, system, reading)
        return self._read[key]

    def keep_statistics(self) -> None:
        """Free the memory of all that is more than statistics: one frame per clip."""
        self._read = {key: found for key, found in self._read.items() if len(found.frames) == len(found)}
