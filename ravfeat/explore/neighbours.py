"""Find clips that are nearly one recording by their features: by how these move over time, and by their means.

Where a cache has frames, those of its second layer, which is near to the sound, are projected on their first principal
components, each of variance 1, and compared as `ravfeat.explore.fingerprint` compares sound. Besides, two clips are
candidates where each is the nearest of the other by its pooled features, whitened in the space of their first 50
principal components, with a cosine of at least `POOLED_SAME`.

On RAVDESS with Whisper tiny.en the first finds copies of another gain or rate and most noisy ones, the second shifted
ones, and neither a pair of two takes (the next has 0.81 and 0.86). Neither is as sure as the sound itself, and a cache
of pooled features knows no time: noise moves a mean as far as another take does.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ravfeat.cache import Cache
from ravfeat.explore.embedding import principal_components
from ravfeat.explore.fingerprint import FRAMES, near_pairs
from ravfeat.explore.listing import Listing
from ravfeat.explore.pooled import Pooled
from ravfeat.explore.recordings import Pair, pair_of
from ravfeat.progress import track_progress

__all__ = ["MOVING_SAME", "POOLED_SAME", "feature_pairs"]

MOVING_SAME, POOLED_SAME = 0.85, 0.9
"""Correlation over time, and cosine of pooled features, from which two clips are named."""

_COMPONENTS, _DIRECTIONS = 50, 60
_LEARNED_FRAMES = 20_000
_LEAST_FRAMES, _LEAST_CLIPS = 10, 3

Floats = NDArray[np.float32]


def feature_pairs(cache: Cache, listing: Listing, pooled: Pooled, layer: int) -> tuple[Pair, ...]:
    """Find candidates among pooled clips; clips of equal digests are left out.

    Parameters
    ----------
    cache : Cache
    listing : Listing
    pooled : Pooled
        Of the clips to compare.
    layer : int
        Of the pooled features that are compared.
    """
    encoder, digests, pairs = cache.about["encoder"], listing.digests, {}
    found = [(f"{encoder}, layer {layer}", _pooled_pairs(pooled, layer))]
    if not cache.statistics:
        near = cache.layers[min(1, len(cache.layers) - 1)]
        found.append((f"frames of {encoder}, layer {near}", _moving(cache, listing, pooled, near)))
    for name, similar in found:
        for a, b, alike in similar:
            one, other = int(pooled.rows[a]), int(pooled.rows[b])
            if digests[one] != digests[other]:
                pairs[one, other] = pair_of(listing, one, other, alike, name)
    return tuple(pairs.values())


def _moving(cache: Cache, listing: Listing, pooled: Pooled, layer: int) -> list[tuple[int, int, float]]:
    ids = [listing.columns["clip_id"][row] for row in pooled.rows]
    courses: dict[str, Floats] = {}
    in_file_order = [clip_id for clips in cache.by_shard(set(ids)).values() for clip_id in sorted(clips)]
    bar = track_progress(in_file_order, desc="comparing clips", unit="clip", leave=False, delay=1.0)
    some = [cache.read([clip_id], layers=[layer])[0][:, 0] for clip_id in in_file_order[:: max(1, len(ids) // 100)]]
    frames = np.concatenate(some).astype(np.float32)
    frames = frames[:: max(1, len(frames) // _LEARNED_FRAMES)]
    centre, directions = _directions(frames)
    for clip_id in bar:
        clip = cache.read([clip_id], layers=[layer])[0][:FRAMES, 0].astype(np.float32)  # (T, D)
        courses[clip_id] = _moves(np.asarray((clip - centre) @ directions, np.float32))
    return near_pairs([courses[clip_id] for clip_id in ids], MOVING_SAME)


def _directions(frames: Floats) -> tuple[Floats, Floats]:
    """Principal components of frames, each of variance 1; shapes (D,) and (D, K)."""
    centre, spread = frames.mean(0), frames.std(0)
    scale = np.where(spread > 0, 1 / np.where(spread > 0, spread, 1), 0)
    _, sizes, right = np.linalg.svd((frames - centre) * scale, full_matrices=False)
    kept = min(_DIRECTIONS, int((sizes > 1e-3 * sizes[0]).sum()))
    return centre, np.asarray(scale[:, None] * right[:kept].T / sizes[:kept], np.float32)


def _moves(course: Floats) -> Floats:
    if len(course) < _LEAST_FRAMES:
        return course[:0]
    padded = np.pad(course, ((1, 1), (0, 0)), mode="edge")
    return np.asarray(padded[2:] - padded[:-2], np.float32)


def _pooled_pairs(pooled: Pooled, layer: int) -> list[tuple[int, int, float]]:
    x = principal_components(pooled.vectors(layer), _COMPONENTS)
    spread = x.std(0)
    if len(x) < _LEAST_CLIPS or not len(spread) or not spread[0]:
        return []
    white = x / spread
    white /= np.maximum(np.linalg.norm(white, axis=1, keepdims=True), 1e-9)
    nearest, cosine = _nearest(white)
    rows: Sequence[int] = range(len(x))
    mutual = [(a, int(nearest[a]), float(cosine[a])) for a in rows if nearest[nearest[a]] == a and a < nearest[a]]
    return sorted((pair for pair in mutual if pair[2] >= POOLED_SAME), key=lambda pair: -pair[2])


def _nearest(x: Floats, block: int = 1024) -> tuple[NDArray[np.int64], Floats]:
    nearest, cosine = np.zeros(len(x), np.int64), np.zeros(len(x), np.float32)
    for start in range(0, len(x), block):
        own = np.arange(start, min(start + block, len(x)))
        alike = x[own] @ x.T
        alike[np.arange(len(own)), own] = -2
        nearest[own], cosine[own] = alike.argmax(1), alike.max(1)
    return nearest, cosine
