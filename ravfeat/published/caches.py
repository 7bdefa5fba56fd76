"""Match caches to the systems of a published head, and clip names to the clips of every cache."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.align import by_key
from ravfeat.cache import Cache, open_cache
from ravfeat.cache.format import ClipRecord
from ravfeat.errors import CacheError
from ravfeat.features.clips import ClipFeatures, Reading
from ravfeat.features.load import load_features
from ravfeat.features.narrow import concatenate_features
from ravfeat.published.parts import Need, PublishedClip, PublishedSystem
from ravfeat.published.scored_clips import ScoredClips, with_views
from ravfeat.schema import SEVERAL_STREAMS

__all__ = ["Caches", "among_tested", "clips_of_caches", "combine", "differences", "match", "read_clips", "rows_among"]

Caches = Cache | str | Path | Iterable[Cache | str | Path]
"""One cache or several, open or by their folders."""

_SHORT = 60


def match(systems: Sequence[PublishedSystem], caches: Caches, *, views: bool = True) -> list[tuple[Cache, ...]]:
    """Find the caches that every system reads, by their identity.

    Parameters
    ----------
    systems : sequence of PublishedSystem
    caches : Caches
    views : bool
        Whether those of the views that are averaged are wanted too; they come after the others.

    Raises
    ------
    CacheError
        Where one is not among those given; it says what differs from the nearest one of its stream.
    """
    several = [caches] if isinstance(caches, Cache | str | Path) else caches
    opened = [cache if isinstance(cache, Cache) else open_cache(cache) for cache in several]
    corpora = sorted({str(cache.about["corpus"]) for cache in opened})
    if len(corpora) > 1:
        raise CacheError(f"the caches are of several corpora ({', '.join(corpora)}); give those of one at a time")
    return [
        tuple(_find(system, need, opened) for need in (system.reads if views else system.needs)) for system in systems
    ]


def _find(system: PublishedSystem, need: Need, caches: Sequence[Cache]) -> Cache:
    for cache in caches:
        if cache.fingerprint == need.fingerprint:
            return cache
    wanted = f"{system.system} was trained on features of '{need.encoder}' ({need.fingerprint})"
    near = [cache for cache in caches if cache.about["stream"] == need.identity.get("stream")]
    if not near:
        stream = need.identity.get("stream")
        raise CacheError(f"{wanted}; no cache of the stream '{stream}' is given: make one with that encoder")
    told = [(cache, differences(need.identity, cache.identity)) for cache in near]
    cache, odd = min(told, key=lambda pair: len(pair[1]))
    raise CacheError(
        f"{wanted}, {cache.path} holds features of another kind: {'; '.join(odd)}. Extract with the same encoder and"
        " options"
    )


def differences(wanted: Mapping[str, Any], got: Mapping[str, Any]) -> list[str]:
    """Say in what two identities differ, one line for each field."""
    return [
        f"{name} is {_said(got.get(name))}, expected {_said(wanted.get(name))}"
        for name in sorted(wanted.keys() | got.keys())
        if wanted.get(name) != got.get(name)
    ]


def _said(value: object) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"


def clips_of_caches(caches: Sequence[Cache], names: Sequence[str]) -> list[list[PublishedClip]]:
    """Say what every cache calls some clips.

    Parameters
    ----------
    caches : sequence of Cache
    names : sequence of str
        Clip ids of any of the caches; a cache that does not know one of them has the clip of the same performance.

    Raises
    ------
    CacheError
        For a name that no cache knows, or a cache that has no clip, or several, of a performance.
    """
    records = [cache.records() for cache in caches]
    performances = {clip_id: record.performance_id for stored in records for clip_id, record in stored.items()}
    if unknown := [name for name in names if name not in performances]:
        listing = ", ".join(str(cache.path) for cache in caches)
        raise CacheError(f"no clip '{unknown[0]}' in {listing} ({len(unknown)} such names)")
    clips = []
    for cache, stored in zip(caches, records, strict=True):
        elsewhere = {performances[name] for name in names if name not in stored}
        by_performance = _by_performance(cache, stored.values(), elsewhere)
        chosen = [stored.get(name) or by_performance[performances[name]] for name in names]
        clips.append([PublishedClip(record.clip_id, record.performance_id) for record in chosen])
    return clips


def _by_performance(
    cache: Cache, records: Iterable[ClipRecord], performances: Collection[str]
) -> dict[str, ClipRecord]:
    """Look up the one clip that a cache has of each performance."""

    def refuse(fact: str) -> CacheError:
        return CacheError(f"{fact}; a clip is scored by all systems, so each needs one clip of it")

    wanted = [record for record in records if record.performance_id in performances]
    table = by_key(cache.path, wanted, "performance_id", refuse)
    if absent := sorted(set(performances) - table.keys()):
        raise refuse(f"{cache.path} has no '{absent[0]}'")
    return table


def read_clips(
    system: PublishedSystem, caches: Sequence[Cache], clips: Sequence[PublishedClip], *, allow_missing: bool = False
) -> ScoredClips:
    """Read what a system's heads read.

    Parameters
    ----------
    system : PublishedSystem
    caches : sequence of Cache
        As `match` gave them.
    clips : sequence of PublishedClip
        As the first of them calls them.
    allow_missing : bool
        Average over the views that there are of a clip, as a run does that was allowed to.

    Raises
    ------
    CacheError
        Where a view lacks clips without `allow_missing`, or holds another recording under a clip's name.
    """
    names = [clip.clip_id for clip in clips]
    own = caches[: len(system.needs)]
    clip_ids = [[clip.clip_id for clip in group] for group in clips_of_caches(own, names)] if len(own) > 1 else [names]
    ids = dict(zip((need.fingerprint for need in system.needs), clip_ids, strict=True))
    ids |= {view.fingerprint: ids[need.fingerprint] for need in system.needs for view in need.views}
    by_print = dict(zip((need.fingerprint for need in system.reads), caches, strict=True))

    def load(need: Need, reading: Reading) -> ClipFeatures:
        return load_features(by_print[need.fingerprint], ids[need.fingerprint], reading, layers=need.layers)

    rows_of = {
        view.fingerprint: _rows_of_view(
            by_print[need.fingerprint], by_print[view.fingerprint], ids[view.fingerprint], allow_missing=allow_missing
        )
        for need in system.needs
        for view in need.views
    }

    def load_view(view: Need, reading: Reading) -> ClipFeatures:
        named = ids[view.fingerprint]
        held = [named[row] for row in rows_of[view.fingerprint]]
        return load_features(by_print[view.fingerprint], held, reading, layers=view.layers)

    # A view that has none of these clips adds nothing to a mean.
    held = tuple(
        replace(
            need, view_names=tuple(str(view.identity["view"]) for view in need.views if len(rows_of[view.fingerprint]))
        )
        for need in system.needs
    )
    clips_read = combine(system, load)
    return with_views(replace(system, needs=held), clips_read, lambda view: rows_of[view.fingerprint], load_view)


def _rows_of_view(clean: Cache, view: Cache, clip_ids: Sequence[str], *, allow_missing: bool) -> NDArray[np.int64]:
    """Say which of the clips a view holds, and see that they are the same recordings."""
    clips, heard = clean.records(clip_ids), view.records(clip_ids)
    if (lacking := [clip_id for clip_id in clip_ids if clip_id not in heard]) and not allow_missing:
        raise CacheError(
            f"{view.path} lacks {len(lacking)} of {len(clip_ids)} clips that are to be averaged over their views"
            f" ('{lacking[0]}'); run the same extraction with --view again"
        )
    for clip_id, record in heard.items():
        if record.input_sha256 != clips[clip_id].input_sha256:
            raise CacheError(
                f"{view.path} holds another recording as '{clip_id}' than {clean.path}: a view is of the same"
                " recording; extract both again from the same data"
            )
    return np.array([row for row, clip_id in enumerate(clip_ids) if clip_id in heard], np.int64)


def combine(system: PublishedSystem, load: Callable[[Need, Reading], ClipFeatures]) -> ClipFeatures:
    """Give what a system's heads read, of one cache or several.

    Parameters
    ----------
    system : PublishedSystem
    load : callable
        Gives the features of the same clips as each cache holds them.
    """
    if len(system.needs) == 1:
        return load(system.needs[0], system.reading)
    if system.system.stream in SEVERAL_STREAMS:
        first, *others = (load(need, system.reading.of_stream(n)) for n, need in enumerate(system.needs))
        return replace(first, also=tuple(others))
    reading = Reading(statistics=system.reading.statistics)
    # One after another: each is pooled before the next is read.
    return concatenate_features((load(need, reading) for need in system.needs), reading.statistics)


def among_tested(
    groups: Sequence[tuple[Cache, ...]],
    asked: Sequence[Sequence[PublishedClip]],
    tested: Sequence[Sequence[PublishedClip]],
) -> Sequence[Sequence[PublishedClip]]:
    """Give all clips that a fold tested, where those asked for are some of them and all are held; else those asked for.

    Parameters
    ----------
    groups, asked, tested : sequence
        Of every system its caches, and clips.
    """
    held = all(clip.clip_id in group[0] for group, clips in zip(groups, tested, strict=True) for clip in clips)
    some = all(set(clips) <= set(all_) for clips, all_ in zip(asked, tested, strict=True))
    return tested if held and some else asked


def rows_among(asked: Sequence[PublishedClip], clips: Sequence[PublishedClip]) -> NDArray[np.int64]:
    """Find clips among others that hold them all."""
    if asked is clips:
        return np.arange(len(asked))
    place = {clip.clip_id: row for row, clip in enumerate(clips)}
    return np.array([place[clip.clip_id] for clip in asked], dtype=np.int64)
