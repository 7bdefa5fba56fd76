"""Build the heads that a plan wants on the features of a system, and refuse names and settings that no head has."""

from collections.abc import Iterable, Sequence
from dataclasses import fields

from ravfeat.errors import UsageError
from ravfeat.experiment.choose import read_together
from ravfeat.experiment.own_heads import GROUP, STREAMS, head_kinds
from ravfeat.experiment.plan import FitPlan, HeadPlan
from ravfeat.experiment.systems import CacheSystem
from ravfeat.features.layers import parse_layers
from ravfeat.features.load import check_reading
from ravfeat.heads.base import Head
from ravfeat.heads.registry import make_head, several_streams
from ravfeat.plugins import installed

__all__ = [
    "FACE_STATISTICS",
    "build_head",
    "build_heads",
    "check_parts",
    "check_plan",
    "heads_of",
    "heads_of_several_streams",
    "read_layers",
]

FACE_STATISTICS = ("mean", "std", "speed")
"""What heads on pooled statistics read of a face: what it looks like, how much it moves, how fast.

Judged on inner actors of RAVDESS that neither trained nor tested, ``speed`` (the mean absolute delta) beside mean and
std took logistic regression on landmarks from a UAR of 0.587 to 0.600 (expressions: 0.579 to 0.582). The
kernel head on both concatenated had 0.647 with mean, std, min and max, and 0.665 with these three, which a
pooled cache of faces holds."""


def check_plan(plan: FitPlan) -> None:
    """Refuse a plan that names what there is not, before anything is opened.

    Raises
    ------
    UsageError
        For no cache, an unknown head or stream, a head twice, a setting that none of the heads has, or
        concatenated caches for a head that pools frames by itself.
    """
    entries = [_parsed(entry) for entry in plan.heads]
    _check_names(plan, entries)
    if unused := sorted(plan.settings.keys() - {name for _, head in entries for name in _settings_of(head, plan)}):
        option = "--pool" if unused[0] == "parts" else f"the setting '{unused[0]}'"
        raise UsageError(
            f"none of the heads {', '.join(plan.heads)} has {option}; add a head that has, or leave it out"
        )
    if not plan.caches and not plan.joins:
        raise UsageError("expected at least one --cache or --concat, got none")
    if plan.average_views != "none" and not plan.train_views:
        raise UsageError("--average-views averages over the views of --train-views, got none; name their caches")
    if plan.normalise != "none" and plan.train_views:
        raise UsageError(
            "--normalise actor standardises the clips of each actor and none of their views: leave --train-views or"
            " --normalise out"
        )
    _check_several_streams(plan, [entry for entry in entries if several_streams(entry[1])])
    if plan.joins:
        _check_pooling([name for stream, name in entries if not stream and not several_streams(name)], plan)


def _check_several_streams(plan: FitPlan, entries: Sequence[tuple[str, str]]) -> None:
    for stream, name in entries:
        if stream:
            raise UsageError(f"'{stream}:{name}': the head '{name}' reads several streams; ask for --head {name}")
        if len(paths := read_together(plan, name)) < 2:
            raise UsageError(
                f"the head '{name}' reads several streams: give it one --cache of each (a voice, a face), got"
                f" {', '.join(map(str, paths)) or 'none'}"
            )


def _check_names(plan: HeadPlan, entries: Sequence[tuple[str, str]]) -> None:
    kinds = head_kinds(plan)
    if unknown := [name for _, name in entries if name not in kinds]:
        more = [name for name in installed(GROUP) if name not in kinds]
        raise UsageError(
            f"no head '{unknown[0]}'; choose from {', '.join([*kinds, *more])}, or give one of your own: path.py:NAME"
        )
    if unknown := [stream for stream, _ in entries if stream not in ("", *STREAMS)]:
        raise UsageError(f"no stream '{unknown[0]}' to keep a head for; choose from {', '.join(STREAMS)}")
    # Per stream: audio:logreg and face:logreg are two heads, logreg and face:logreg are one head twice on a face.
    for stream in STREAMS:
        names = [name for wanted, name in entries if wanted in ("", stream)]
        if not entries or len(set(names)) < len(names):
            raise UsageError(f"expected every head once, got {', '.join(plan.heads) or 'none'}")


def heads_of(plan: HeadPlan, system: CacheSystem) -> list[str]:
    """Give the names of the heads that a plan wants on a system.

    Returns
    -------
    list of str
        Empty for a cache that only heads of several streams read.

    Raises
    ------
    UsageError
        For none, or concatenated caches for a head that pools frames by itself.
    """
    if system.joint:
        return [system.head]
    several = heads_of_several_streams(plan)
    wanted = [name for stream, name in map(_parsed, plan.heads) if stream in ("", system.stream)]
    names = [name for name in wanted if name not in several]
    kinds = [several_streams(name) for name in several]
    if not names and kinds and (not system.concatenated or any(kind and kind.several_of_last for kind in kinds)):
        return []  # a head of several streams reads it
    if not names:
        raise UsageError(
            f"no head is meant for {system.stream} {system.features}: the heads are {', '.join(plan.heads)}; add one"
            f" with --head {system.stream}:NAME, or leave that cache out"
        )
    if system.concatenated:
        _check_pooling(names, plan)
    return names


def heads_of_several_streams(plan: HeadPlan) -> list[str]:
    """Give the names of the heads of a plan that read all its caches at once."""
    return [name for name in plan.heads if several_streams(name)]


def _parsed(entry: str) -> tuple[str, str]:
    """Split ``audio:attentive`` into stream and head; the stream is empty where none is named."""
    stream, _, name = entry.rpartition(":")
    return stream, name


def _check_pooling(names: Sequence[str], plan: HeadPlan) -> None:
    kinds = head_kinds(plan).items()
    pooling = [name for name, kind in kinds if kind().reading.statistics and not several_streams(name)]
    if unfit := [name for name in names if name not in pooling]:
        raise UsageError(
            f"head '{unfit[0]}' pools the frames of a cache by itself, and caches are concatenated after pooling; give"
            f" --concat to {' or '.join(pooling)}, or give every cache a --cache of its own"
        )


def build_heads(plan: HeadPlan, system: CacheSystem) -> tuple[Head, ...]:
    """Build all heads that a plan wants on a system; see `heads_of` and `build_head`."""
    return tuple(build_head(name, plan, system) for name in heads_of(plan, system))


def build_head(name: str, plan: HeadPlan, system: CacheSystem) -> Head:
    """Build one of a plan's heads for the features of a system, and check that these have what it reads.

    Raises
    ------
    CacheError
        Where a pooled cache lacks a statistic.
    UsageError
        Where layers are named that are not stored.
    """
    kind = head_kinds(plan)[name]
    settings = {key: value for key, value in plan.settings.items() if key in _settings_of(name, plan)}
    if system.stream == "face" and "statistics" in _settings_of(name, plan):
        # What was asked for comes after the default, and so replaces it.
        settings = {"statistics": getattr(kind, "of_faces", FACE_STATISTICS), **settings}
    stored = system.caches[0].statistics
    if stored and getattr(kind, "fits_pooled", False) and "statistics" not in plan.settings:
        defaults: tuple[str, ...] = settings.get("statistics") or kind().statistics
        settings = {**settings, "statistics": tuple(each for each in defaults if each in stored) or defaults}
    if system.stream in {"face", "other"}:
        settings.pop("parts", None)  # only voices have a speech-active part
    # The layers of concatenated caches are one layer by the time a head sees them.
    layers = None if len(system.caches) > 1 else read_layers(plan, system)[0]
    head = make_head(kind, name, {"layers": layers, "std": plan.std, "device": plan.device, **settings})
    if system.average == "statistics" and not head.reading.statistics:
        raise UsageError(
            f"--average-views statistics averages pooled statistics, and the head '{name}' reads frames; average its"
            " scores (--average-views scores), or choose a head that pools, such as kernel"
        )
    for number, (cache, clip_ids) in enumerate(zip(system.caches, system.clip_ids, strict=True)):
        check_reading(cache, head.reading.of_stream(number), clip_ids)
    for view in system.views:
        view.check_reading(head.reading.of_stream(view.of))
    return head


def check_parts(plan: HeadPlan, heads: Iterable[Head]) -> None:
    """Refuse a plan that pools the active part with heads of which none does.

    Raises
    ------
    UsageError
    """
    parts = plan.settings.get("parts", ())
    if "active" in parts and not any(head.reading.active for head in heads):
        raise UsageError(
            f"--pool {'+'.join(parts)} is of voices, the speech-active part of which is stored, and none of the heads"
            f" {', '.join(plan.heads)} pools one here; leave --pool out, or add a cache of a voice"
        )


def read_layers(plan: HeadPlan, system: CacheSystem) -> list[tuple[int, ...] | None]:
    """Give the layers to read from each cache of a system; None for all.

    Raises
    ------
    UsageError
        Where layers are named that are not stored.
    """
    return [parse_layers(plan.layers, cache.layers) for cache in system.caches]


def _settings_of(head: str, plan: HeadPlan) -> set[str]:
    return {field.name for field in fields(head_kinds(plan)[head])}
