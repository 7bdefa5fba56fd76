"""Measure what the features of a cache tell about people: the identity probe on a sample that fits in memory."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from ravfeat.cache import Cache
from ravfeat.features.load import load_features
from ravfeat.heads.logreg import LogregHead
from ravfeat.identity.probe import IdentityProbe, probe_identity, why_not
from ravfeat.numerics.rounding import evenly

__all__ = ["ProbedIdentity", "probe_cache"]

MAX_ACTORS, MAX_CLIPS_PER_ACTOR, MAX_LAYERS = 24, 24, 3
"""Of a large cache a sample is measured that takes seconds, and the card says which."""

T = TypeVar("T")


@dataclass(frozen=True)
class ProbedIdentity:
    """Result of the probe, and what it read.

    Attributes
    ----------
    probe : IdentityProbe
    layers : tuple of int
    statistics : tuple of str
    n_actors : int
        Actors with clips in the whole cache.
    """

    probe: IdentityProbe
    layers: tuple[int, ...]
    statistics: tuple[str, ...]
    n_actors: int


def probe_cache(cache: Cache) -> ProbedIdentity | str:
    """Measure how often a linear classifier names the actor of a clip, see `ravfeat.identity.probe`.

    Parameters
    ----------
    cache : Cache

    Returns
    -------
    ProbedIdentity or str
        Why it cannot be measured.

    Raises
    ------
    ShardError
        Where clips of the sample are damaged.
    """
    clips_of = _clips_by_actor(cache)
    sample = [
        (clip_id, actor, emotion)
        for actor in _some(sorted(clips_of), MAX_ACTORS)
        # By emotion, so that a part of somebody's clips holds all of their emotions.
        for emotion, clip_id in _some(sorted(clips_of[actor]), MAX_CLIPS_PER_ACTOR)
    ]
    actors, emotions = [actor for _, actor, _ in sample], [emotion for *_, emotion in sample]
    if reason := why_not(actors, emotions):
        return reason
    statistics, layers = cache.statistics or ("mean", "std"), tuple(_some(cache.layers, MAX_LAYERS))
    reading = LogregHead(statistics=cast("Any", statistics)).reading
    features = load_features(cache, [clip_id for clip_id, *_ in sample], reading, layers=layers)
    probe = probe_identity(features, actors, emotions, statistics)
    return ProbedIdentity(probe, layers, tuple(statistics), len(clips_of))


def _clips_by_actor(cache: Cache) -> dict[str, list[tuple[str, str]]]:
    clips_of: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    columns = (cache.manifest[name].to_pylist() for name in ("clip_id", "actor", "label"))
    for clip_id, actor, label in zip(*columns, strict=True):
        if clip_id in cache:
            clips_of[actor].append((label, clip_id))
    return clips_of


def _some(items: Sequence[T], n: int) -> list[T]:
    return [items[place] for place in evenly(len(items), n)]
