"""Load a cache into the arrays that a head reads.

Clips are read side by side and narrowed (layers, averaged frames, pooled statistics) as they come, straight into
the result, so that memory holds what the head needs and a few megabytes, never the cache.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.cache import Cache
from ravfeat.cache.format import ClipRecord
from ravfeat.cache.verified_reads import Take, read_verified
from ravfeat.errors import CacheError, UsageError
from ravfeat.features.active_part import active_parts
from ravfeat.features.allocate import features_budget
from ravfeat.features.clips import ClipFeatures, Reading
from ravfeat.features.narrow import (
    NarrowedClips,
    Narrowing,
    StoredLayout,
    concatenate_features,
    frame_offsets,
)
from ravfeat.features.on_disk import Shard, StoredFrames
from ravfeat.numerics.parts import reads_active
from ravfeat.progress import ProgressBar

__all__ = ["check_reading", "load_concatenated", "load_features"]


def load_features(
    cache: Cache, clip_ids: Sequence[str], reading: Reading, *, layers: Sequence[int] | None = None
) -> ClipFeatures:
    """Read features of clips.

    Parameters
    ----------
    cache : Cache
    clip_ids : sequence of str
        The N clips, in the order wanted; at least one. One that is wanted twice is read once.
    reading : Reading
        What the head needs: frames (averaged in windows), or pooled statistics.
    layers : sequence of int, optional
        Layer numbers to read from the disk; default all.

    Returns
    -------
    ClipFeatures

    Raises
    ------
    CacheError
        For clips or layers that are not stored, statistics a pooled cache does not hold, clips whose
        speech-active part is wanted and not stored, or features that do not match their digests.
    UsageError
        For no clip.
    """
    if not clip_ids:
        raise UsageError(f"expected at least one clip of {cache.path}, got none")
    if absent := [clip_id for clip_id in clip_ids if clip_id not in cache]:
        raise CacheError(f"{len(absent)} clips are not stored in {cache.path}: {', '.join(absent[:3])} …")
    check_reading(cache, reading)
    active = active_parts(cache, clip_ids) if reads_active(reading.statistics) else {}
    stored = StoredLayout(cache.dim, cache.dtype, cache.statistics, cache.frame_stride)
    narrowing = Narrowing.of(stored, reading)
    n_layers, numbers = len(cache.positions(layers)), tuple(cache.layers if layers is None else layers)
    lengths = [cache.n_frames(clip_id) for clip_id in clip_ids]
    if not (narrowing.narrows or cache.statistics) and _size(cache, n_layers, sum(lengths)) > features_budget():
        return _on_disk(cache, clip_ids, numbers, layers, frame_offsets(lengths))
    narrowed = NarrowedClips(stored, narrowing, numbers, lengths)
    # A clip that is wanted twice is read once and written to both places.
    places: dict[str, list[int]] = {}
    for place, clip_id in enumerate(clip_ids):
        places.setdefault(clip_id, []).append(place)

    # Called from several threads, each with clips and layers of its own, so no lock is needed.
    def take(clip: ClipRecord, rows: slice, block: NDArray[Any]) -> None:
        narrowed.put(places[clip.clip_id], rows, block, active.get(clip.clip_id))

    _read(cache, list(places), layers, take)
    return narrowed.features()


def _read(cache: Cache, clip_ids: Sequence[str], layers: Sequence[int] | None, take: Take) -> None:
    with ProgressBar(total=len(clip_ids), desc="reading features", unit="clip", leave=False, delay=1.0) as bar:
        for read in read_verified(cache, clip_ids, layers, take):
            bar.update(read)


def _size(cache: Cache, n_layers: int, n_frames: int) -> int:
    return n_layers * n_frames * cache.dim * cache.dtype.itemsize


def _on_disk(
    cache: Cache,
    clip_ids: Sequence[str],
    numbers: tuple[int, ...],
    layers: Sequence[int] | None,
    offsets: NDArray[np.int64],
) -> ClipFeatures:
    """Features that stay where they are, once every clip was held against its digest."""
    # Digests are checked once, here; what training reads later is read past them.
    _read(cache, list(dict.fromkeys(clip_ids)), layers, lambda clip, rows, block: None)
    shards: list[Shard] = []
    places: dict[str, tuple[int, int]] = {}
    for number in cache.by_shard(set(clip_ids)):
        # In which shard a clip lies, and at which frame it begins there: training reads it from the file.
        places |= {clip.clip_id: (len(shards), clip.frame_start) for clip in cache.header(number).clips}
        shards.append(Shard(cache.features(number), partial(cache.reading_shard, number)))
    shard_of, starts = np.array([places[clip_id] for clip_id in clip_ids], np.int64).T
    positions = tuple(cache.positions(layers))
    return ClipFeatures(
        frames=np.empty((0, len(numbers), cache.dim), cache.dtype),
        offsets=offsets,
        layers=numbers,
        window=cache.frame_stride,
        stored=StoredFrames(tuple(shards), positions, cache.dim, shard_of, starts, np.diff(offsets)),
    )


def load_concatenated(
    caches: Sequence[Cache],
    clip_ids: Sequence[Sequence[str]],
    statistics: Sequence[str],
    *,
    layers: Sequence[Sequence[int] | None],
) -> ClipFeatures:
    """Read pooled statistics of clips from several caches, side by side; see `concatenate_features`.

    Parameters
    ----------
    caches : sequence of Cache
    clip_ids : sequence of sequence of str
        For each cache, what it calls the N clips.
    statistics : sequence of str
        See `Reading`.
    layers : sequence of (sequence of int, or None)
        For each cache, the layers to read; None reads all.

    Raises
    ------
    CacheError
        As `load_features` does.
    """
    reading = Reading(statistics=tuple(statistics))
    sides = zip(caches, clip_ids, layers, strict=True)
    # One after another: each is pooled before the next is read.
    return concatenate_features(
        (load_features(cache, cache_ids, reading, layers=read) for cache, cache_ids, read in sides), statistics
    )


def check_reading(cache: Cache, reading: Reading, clip_ids: Sequence[str] = ()) -> None:
    """Refuse a pooled cache that lacks a statistic the head reads, and `clip_ids` that lack the part it pools.

    Raises
    ------
    CacheError
    """
    if cache.statistics and (lacking := sorted(set(reading.statistics) - set(cache.statistics))):
        raise CacheError(
            f"{cache.path} holds pooled {list(cache.statistics)}, the head needs {lacking} as well; extract with"
            " --store frames, or choose another --head"
        )
    if reads_active(reading.statistics):
        active_parts(cache, clip_ids)
