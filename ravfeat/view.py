"""From a cache to the arrays a head reads.

Shards are read whole, one after another, and narrowed (layers, averaged frames, pooled statistics)
as they come, so that memory holds what the head needs and one shard, never the cache.

Offers
------
load_features, load_joined, check_reading.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ravfeat.cache import Cache
from ravfeat.cache.format import features_sha256, shard_file
from ravfeat.cache.reader import ShardBlock
from ravfeat.errors import CacheError, ShardError, UsageError
from ravfeat.heads.base import ClipFeatures, Reading
from ravfeat.heads.statistics import clip_statistics
from ravfeat.pooling import average_frames, pool_frames

__all__ = ["check_reading", "load_features", "load_joined"]


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
    wanted = set(clip_ids)
    pieces: dict[str, NDArray[Any]] = {}
    for number in tqdm(cache.shards, desc="reading features", unit="shard", leave=False, delay=1.0, disable=None):
        block = cache.read_shard(number, layers=layers)
        _check_digests(cache, number, block, whole=layers is None)
        own = [(clip.clip_id, i) for i, clip in enumerate(block.clips) if clip.clip_id in wanted]
        if own:
            ends = np.cumsum([clip.n_frames for clip in block.clips])
            starts = np.concatenate([[0], ends]).astype(np.int64)
            frames, offsets = _narrow(block.features.transpose(1, 0, 2), starts, cache, reading)
            pieces |= {clip_id: frames[offsets[i] : offsets[i + 1]] for clip_id, i in own}
    ordered = [pieces[clip_id] for clip_id in clip_ids]
    offsets = np.concatenate([[0], np.cumsum([len(piece) for piece in ordered])]).astype(np.int64)
    return ClipFeatures(
        frames=np.concatenate(ordered),
        offsets=offsets,
        layers=tuple(cache.layers if layers is None else layers),
        statistics=cache.statistics or reading.statistics,
        window=1 if cache.statistics or reading.statistics else _window(cache, reading) * cache.frame_stride,
    )


def load_joined(
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
        Names out of `ravfeat.pooling.STATISTICS`.
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
    for cache, own_ids, own_layers in zip(caches, clip_ids, layers, strict=True):
        features = load_features(cache, own_ids, reading, layers=own_layers)
        pooled = clip_statistics(features, statistics)  # (N, L, S, D)
        parts.append(pooled.transpose(0, 2, 1, 3).reshape(len(pooled), len(statistics), -1))  # (N, S, L * D)
    joined = np.concatenate(parts, axis=2)
    return ClipFeatures(
        frames=joined.reshape(len(joined), 1, -1),
        offsets=np.arange(len(joined) + 1, dtype=np.int64),
        layers=(0,),
        statistics=reading.statistics,
        blocks=tuple(part.shape[2] for part in parts),
    )


def _check_digests(cache: Cache, number: int, block: ShardBlock, *, whole: bool) -> None:
    # A digest covers all layers of a clip; of a few layers only what cannot be trained on is noticed.
    start = 0
    for clip in block.clips:
        own = block.features[:, start : start + clip.n_frames]
        start += clip.n_frames
        if (whole and features_sha256(own) != clip.features_sha256) or not np.isfinite(own).all():
            raise ShardError(
                f"clip '{clip.clip_id}' in {cache.path / shard_file(number)} is damaged: it does not match its digest;"
                f" 'ravfeat cache verify {cache.path}' says what to do"
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


def _narrow(
    frames: NDArray[Any], offsets: NDArray[np.int64], cache: Cache, reading: Reading
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    if cache.statistics:
        return frames, offsets
    if reading.statistics:
        pooled = pool_frames(frames, offsets, reading.statistics)  # (N, L, S, D)
        return pooled.reshape(*pooled.shape[:2], -1), np.arange(len(pooled) + 1, dtype=np.int64)
    return average_frames(frames, offsets, _window(cache, reading))


def _window(cache: Cache, reading: Reading) -> int:
    # A head counts in frames of the encoder; a cache may have averaged some of them already.
    return max(1, round(reading.window / cache.frame_stride))
