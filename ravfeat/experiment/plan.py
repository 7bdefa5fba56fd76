"""What is to be trained: the plan of a run, and its heads built for the features they get."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ravfeat.errors import UsageError
from ravfeat.experiment.systems import CacheSystem
from ravfeat.features.layers import parse_layers
from ravfeat.features.load import check_reading
from ravfeat.heads.base import Head
from ravfeat.heads.registry import HEADS, get_head
from ravfeat.schema import Rule, Select

__all__ = [
    "FACE_STATISTICS",
    "FitPlan",
    "alone",
    "build_head",
    "check_plan",
    "heads_of",
    "joint_caches",
    "read_layers",
]

_STREAMS = ("audio", "face")
_JOINT = "joint"

FACE_STATISTICS = ("mean", "std", "speed")
"""What heads on pooled statistics read of a face: what it looks like, how much it moves, how fast.

Judged on inner actors of RAVDESS that neither trained nor tested, ``speed`` beside mean and std took
logistic regression on landmarks from a UAR of 0.587 to 0.600 (expressions: 0.579 to 0.582). The
kernel head on both joined had 0.647 with mean, std, min and max, and 0.665 with these three, which a
pooled cache of faces holds."""


@dataclass(frozen=True)
class FitPlan:
    """What is to be trained and how it is graded.

    Attributes
    ----------
    caches : tuple of Path
        Of one corpus; every cache is a system of its own with every head.
    protocol : str
    heads : tuple of str
        Names of heads; ``audio:attentive`` is for caches of that stream only; ``joint`` reads all `caches` at once.
    select : {"val", "nested"}
        Whose rows choose layers, strengths and epochs: the protocol's validation actors, or five
        inner actor-grouped folds over all non-test actors.
    seeds : int
        Heads that depend on a seed are trained with seeds 0 to ``seeds - 1``.
    device : str
    layers : str or None
        ``last``, one number, a range ``6-12`` or a list ``1,5,9``; None lets the head choose. Of a
        join, all these layers of each of its caches are used.
    std : bool
        Whether heads pool more than the mean.
    settings : mapping
        Further settings, for those heads that have them.
    labels : Path or None
        Table of ``clip_id`` and ``label`` that replaces the corpus's labels.
    allow_leak, allow_missing : bool
    joins : tuple of tuple of Path
        Caches of one stream that feed one head together; every join is a further system, with heads
        that read pooled statistics only.
    rule : {"auto", "linear", "loglinear"} or None
        How two or more systems are fused; None leaves each alone.
    train_views : tuple of Path
        Caches of augmented views of the clips in ``caches``: they add training rows, and only these.
    """

    caches: tuple[Path, ...] = ()
    protocol: str = "ravdess6"
    heads: tuple[str, ...] = ("attentive",)
    select: Select = "val"
    seeds: int = 1
    device: str = "cpu"
    layers: str | None = None
    std: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)
    labels: Path | None = None
    allow_leak: bool = False
    allow_missing: bool = False
    joins: tuple[tuple[Path, ...], ...] = ()
    rule: Rule | None = "auto"
    train_views: tuple[Path, ...] = ()


def check_plan(plan: FitPlan) -> None:
    """Refuse a plan that names what there is not, before anything is opened.

    Raises
    ------
    UsageError
        For no cache, an unknown head or stream, a head twice, a setting that none of the heads has, or a
        join with a head that pools frames by itself.
    """
    wanted = [_parsed(entry) for entry in plan.heads]
    if unknown := [name for _, name in wanted if name not in HEADS]:
        raise UsageError(f"no head '{unknown[0]}'; choose from {', '.join(HEADS)}")
    if strange := [stream for stream, _ in wanted if stream not in ("", *_STREAMS)]:
        raise UsageError(f"no stream '{strange[0]}' to keep a head for; choose from {', '.join(_STREAMS)}")
    for stream in _STREAMS:
        own = [name for where, name in wanted if where in ("", stream)]
        if not wanted or len(set(own)) < len(own):
            raise UsageError(f"expected every head once, got {', '.join(plan.heads) or 'none'}")
    if idle := sorted(plan.settings.keys() - {name for _, head in wanted for name in _settings_of(head)}):
        raise UsageError(f"none of the heads {', '.join(plan.heads)} has the setting '{idle[0]}'")
    if not plan.caches and not plan.joins:
        raise UsageError("expected at least one cache or join, got none")
    if misplaced := [entry for entry in plan.heads if entry.endswith(f":{_JOINT}")]:
        raise UsageError(
            f"'{misplaced[0]}': the head 'joint' is one network over several streams; ask for --head joint"
        )
    if plan.joins:
        _check_pooling([name for stream, name in wanted if not stream and name != _JOINT])


def heads_of(plan: FitPlan, system: CacheSystem) -> list[str]:
    """Give the names of the heads that a plan wants on a system.

    Returns
    -------
    list of str
        Empty for a cache that only a joint head reads.

    Raises
    ------
    UsageError
        For none, or a join with a head that pools frames by itself.
    """
    if system.joint:
        return [_JOINT]
    own = [name for stream, name in map(_parsed, plan.heads) if stream in ("", system.stream) and name != _JOINT]
    if not own and _JOINT in plan.heads and not system.joined:
        return []
    if not own:
        raise UsageError(
            f"no head is meant for {system.stream} {system.features}: the heads are {', '.join(plan.heads)}; add one"
            f" with --head {system.stream}:NAME, or leave that cache out"
        )
    if system.joined:
        _check_pooling(own)
    return own


def joint_caches(plan: FitPlan) -> tuple[Path, ...]:
    """Give the caches that one network reads together; none where the plan has no joint head.

    Raises
    ------
    UsageError
        For fewer than two caches.
    """
    if _JOINT not in plan.heads:
        return ()
    if len(plan.caches) < 2:
        raise UsageError(
            "the head 'joint' is one network over several streams: give it one --cache of each (a voice, a face), got"
            f" {', '.join(map(str, plan.caches)) or 'none'}"
        )
    return plan.caches


def alone(plan: FitPlan) -> tuple[Path, ...]:
    """Give the caches that have heads of their own, as far as their streams are not known yet."""
    return () if set(plan.heads) == {_JOINT} else plan.caches


def _parsed(entry: str) -> tuple[str, str]:
    """Split ``audio:attentive`` into stream and head; the stream is empty where none is named."""
    stream, _, name = entry.rpartition(":")
    return stream, name


def _check_pooling(names: Sequence[str]) -> None:
    pooling = [name for name in HEADS if get_head(name).reading.statistics]
    if alone := [name for name in names if name not in pooling]:
        raise UsageError(
            f"head '{alone[0]}' pools the frames of a cache by itself, and caches are joined after pooling; give a join"
            f" to {' or '.join(pooling)}, or give every cache a --cache of its own"
        )


def build_head(name: str, plan: FitPlan, system: CacheSystem) -> Head:
    """Build one of a plan's heads for the features of a system, and check that these have what it reads.

    Raises
    ------
    CacheError
        Where a pooled cache lacks a statistic.
    UsageError
        Where layers are named that are not stored.
    """
    own = {key: value for key, value in plan.settings.items() if key in _settings_of(name)}
    if system.stream == "face" and "statistics" in _settings_of(name):
        own = {"statistics": FACE_STATISTICS, **own}
    # The layers of joined caches are one layer by the time a head sees them.
    layers = None if len(system.caches) > 1 else read_layers(plan, system)[0]
    head = get_head(name, layers=layers, std=plan.std, device=plan.device, **own)
    for cache in system.caches:
        check_reading(cache, head.reading)
    return head


def read_layers(plan: FitPlan, system: CacheSystem) -> list[tuple[int, ...] | None]:
    """Give the layers to read from each cache of a system; None for all.

    Raises
    ------
    UsageError
        Where layers are named that are not stored.
    """
    return [parse_layers(plan.layers, cache.layers) for cache in system.caches]


def _settings_of(head: str) -> set[str]:
    kind: Any = HEADS[head]
    return {one.name for one in fields(kind)}
