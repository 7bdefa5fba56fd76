"""Load a cache into the arrays that a head reads.

Clips are read side by side and narrowed (layers, averaged frames, pooled statistics) as they come, straight into
the result, so that memory holds what the head needs and a few megabytes, never the cache.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.cache import Cache
from ravfeat.cache.format import ClipRecord
from ravfeat.cache.verified_reads import Take, read_verified
from ravfeat.errors import CacheError, UsageError
from ravfeat.features.allocate import allocate_array, features_budget
from ravfeat.features.clips import ClipFeatures, Reading
from ravfeat.features.on_disk import Shard, StoredFrames
from ravfeat.features.statistics import clip_statistics
from ravfeat.numerics.pooling import average_block, pool_block
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
        For clips or layers that are not stored, statistics a pooled cache does not hold, or features
        that do not match their digests.
    UsageError
        For no clip.
    """
    if not clip_ids:
        raise UsageError(f"expected at least one clip of {cache.path}, got none")
    if absent := [clip_id for clip_id in clip_ids if clip_id not in cache]:
        raise CacheError(f"{len(absent)} clips are not stored in {cache.path}: {', '.join(absent[:3])} …")
    check_reading(cache, reading)
    positions, narrowing = cache.positions(layers), _narrowing(cache, reading)
    counts = np.array([narrowing.count(cache.n_frames(clip_id)) for clip_id in clip_ids], np.int64)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    numbers = tuple(cache.layers if layers is None else layers)
    if (
        not (narrowing.narrows or cache.statistics)
        and _size(cache, len(positions), int(offsets[-1])) > features_budget()
    ):
        return _on_disk(cache, clip_ids, numbers, layers, offsets)
    # A clip that is wanted twice is read once and written to both places.
    starts: dict[str, list[int]] = {}
    for clip_id, start in zip(clip_ids, offsets.tolist(), strict=False):
        starts.setdefault(clip_id, []).append(start)
    width = cache.dim * max(1, len(narrowing.statistics))
    # Layers lie outermost, as they do on the disk and as networks read them: (L, F, D).
    frames = allocate_array(
        (len(positions), int(offsets[-1]), width), np.float32 if narrowing.statistics else cache.dtype
    )

    # Called from several threads, each with clips and layers of its own, so no lock is needed.
    def take(clip: ClipRecord, rows: slice, block: NDArray[Any]) -> None:
        narrow = narrowing(block)  # (L', T', D')
        for start in starts[clip.clip_id]:
            frames[rows, start : start + narrow.shape[1]] = narrow

    _read(cache, list(starts), layers, take)
    return ClipFeatures(
        frames=frames.transpose(1, 0, 2),
        offsets=offsets,
        layers=numbers,
        statistics=cache.statistics or narrowing.statistics,
        window=1 if cache.statistics or narrowing.statistics else narrowing.window * cache.frame_stride,
    )


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
    chosen = set(clip_ids)
    shards: list[Shard] = []
    places: dict[str, tuple[int, int]] = {}
    for number in cache.shards:
        if chosen.isdisjoint(cache.clips_of(number)):
            continue
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
    """Read pooled statistics of clips from several caches, side by side.

    All layers that are read of all caches become one, number 0: caches have different layers, so a
    head has nothing to choose among.

    Parameters
    ----------
    caches : sequence of Cache
    clip_ids : sequence of sequence of str
        For each cache, what it calls the N clips.
    statistics : sequence of str
        Names out of `ravfeat.numerics.pooling.STATISTICS`.
    layers : sequence of (sequence of int, or None)
        For each cache, the layers to read; None reads all.

    Returns
    -------
    ClipFeatures
        One layer; within every statistic each cache is a block, as wide as its layers are together.

    Raises
    ------
    CacheError
        As `load_features` does.
    """
    reading = Reading(statistics=tuple(statistics))
    parts = []
    for cache, cache_ids, cache_layers in zip(caches, clip_ids, layers, strict=True):
        features = load_features(cache, cache_ids, reading, layers=cache_layers)
        pooled = clip_statistics(features, statistics)  # (N, L, S, D)
        parts.append(pooled.transpose(0, 2, 1, 3).reshape(len(pooled), len(statistics), -1))  # (N, S, L * D)
    frames = np.concatenate(parts, axis=2)
    return ClipFeatures(
        frames=frames.reshape(len(frames), 1, -1),
        offsets=np.arange(len(frames) + 1, dtype=np.int64),
        layers=(0,),
        statistics=reading.statistics,
        blocks=tuple(part.shape[2] for part in parts),
    )


def check_reading(cache: Cache, reading: Reading) -> None:
    """Refuse a pooled cache that lacks a statistic the head reads.

    Raises
    ------
    CacheError
    """
    if cache.statistics and (lacking := sorted(set(reading.statistics) - set(cache.statistics))):
        raise CacheError(
            f"{cache.path} holds pooled {list(cache.statistics)}, the head needs {lacking} as well; extract with"
            " --store frames, or choose another --head"
        )


@dataclass(frozen=True)
class _Narrowing:
    """What becomes of a clip's frames: averages of windows, or statistics."""

    window: int
    statistics: tuple[str, ...]

    @property
    def narrows(self) -> bool:
        return self.window > 1 or bool(self.statistics)

    def count(self, n_frames: int) -> int:
        return 1 if self.statistics else -(-n_frames // self.window)

    def __call__(self, block: NDArray[Any]) -> NDArray[Any]:
        """Narrow a block (L, T, D)."""
        if self.statistics:
            return pool_block(block, self.statistics).reshape(len(block), 1, -1)
        return block if self.window == 1 else average_block(block, self.window)


def _narrowing(cache: Cache, reading: Reading) -> _Narrowing:
    if cache.statistics:
        # One frame for each clip already.
        return _Narrowing(1, ())
    # A head counts in frames of the encoder; a cache may have averaged some of them already.
    return _Narrowing(max(1, round(reading.window / cache.frame_stride)), reading.statistics)
