"""A cache of any size without an encoder: the shape of WavLM-large over RAVDESS, for measuring time.

Every clip has the actor, label and performance that RAVDESS gives its name. Its features are noise plus one
direction for its label and one for its actor, clearest in the middle layers, so that a head has something to learn;
no accuracy on them says anything about people. The noise of all clips is cut from one pool: drawing it anew takes
longer than writing it.
"""

import hashlib
import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.cache.format import ClipRecord, ShardContent, StoreRecipe, features_sha256
from ravfeat.cache.index import IndexedShard
from ravfeat.cache.locks import WorkLock
from ravfeat.cache.writer import CacheFolder, prepare_cache
from ravfeat.corpora.ravdess import parse_stem
from ravfeat.manifest import Clip, Manifest
from ravfeat.schema import RAVDESS_LABELS

__all__ = ["write_cache"]

FRAMES_HZ = 50.0
RATE_HZ = 16_000.0
SHORTEST, MEAN, LONGEST = 150, 184, 265
"""Encoder frames per clip; RAVDESS through WavLM-large has about as many."""

POOL = 1 << 23
N_ACTORS = 24


def write_cache(folder: Path, *, n_clips: int = 1440, layers: int = 25, dim: int = 1024, stride: int = 1) -> Path:
    """Write a generated cache (frames, float16) with ravfeat's own writer and give its folder.

    Parameters
    ----------
    folder : Path
        What ``ravfeat extract --out`` would be given.
    n_clips : int
        The first so many takes of all 24 actors in turn; at most 1440. A multiple of 24 gives every actor
        the same takes.
    layers, dim : int
        Of the encoder, layer 0 included.
    stride : int
        Frames of the encoder that one stored frame is the mean of.
    """
    recipe = StoreRecipe(frame_stride=stride)
    identity: dict[str, Any] = {"stream": "audio", "weights": "generated", "layer_convention": "generated/1"}
    identity |= {"preprocessing": ["generated/1"], **recipe.identity(layers)}
    about = {"corpus": "ravdess", "synthetic": True, "stream": "audio", "encoder": "generated"}
    manifest = _manifest(n_clips)
    cache = prepare_cache(folder, manifest, about, identity, lambda clip: 2 * layers * dim * _frames(clip, stride))
    features = _Features(layers, dim, stride)
    with WorkLock(cache.path) as lock, ThreadPoolExecutor(2) as pool:
        lock.claim(cache.planned.numbers)
        written = pool.map(lambda number: _write_shard(cache, number, features), cache.planned.numbers)
        cache.update_index(lock, {shard.number: shard for shard in written})
    return cache.path


def _manifest(n_clips: int) -> Manifest:
    takes = [
        (emotion, intensity, statement, repetition)
        for repetition, statement, intensity, emotion in itertools.product((1, 2), (1, 2), (1, 2), range(1, 9))
        if (emotion, intensity) != (1, 2)  # neutral is never strong
    ]
    stems = [
        f"03-01-{'-'.join(f'{field:02d}' for field in take)}-{actor:02d}"
        for take in takes
        for actor in range(1, N_ACTORS + 1)
    ]
    clips = [clip for stem in stems[:n_clips] if (clip := parse_stem(stem, path=f"{stem}.wav"))]
    lengths = _lengths(len(clips))
    timed = [replace(clip, duration_s=int(n) / FRAMES_HZ) for clip, n in zip(clips, lengths, strict=True)]
    return Manifest("ravdess", RAVDESS_LABELS, tuple(timed), synthetic=True)


def _lengths(n: int) -> NDArray[np.int64]:
    # A skewed spread like that of real takes: the mean lies nearer to the shortest than to the longest.
    share = (MEAN - SHORTEST) / (LONGEST - SHORTEST)
    drawn = np.random.default_rng(0).beta(2, 2 / share - 2, size=n)
    return np.rint(SHORTEST + drawn * (LONGEST - SHORTEST)).astype(np.int64)


def _frames(clip: Clip, stride: int) -> int:
    return -(-round(clip.duration_s * FRAMES_HZ) // stride)


class _Features:
    """Gives the block of any clip, the same every time."""

    def __init__(self, layers: int, dim: int, stride: int) -> None:
        rng = np.random.default_rng(0)
        self._stride = stride
        self._noise = rng.standard_normal(max(POOL, LONGEST * dim), np.float32) / np.float32(np.sqrt(stride))
        clear = np.exp(-(((np.arange(layers) - layers / 2) / (layers / 4 + 1)) ** 2))
        self._label = 0.25 * clear[:, None] * rng.standard_normal((len(RAVDESS_LABELS), layers, dim))
        self._actor = 0.35 * rng.standard_normal((N_ACTORS, layers, dim))

    def block(self, clip: Clip) -> NDArray[np.float16]:
        """Features of one clip, (L, T, D)."""
        label, actor = RAVDESS_LABELS.index(clip.label), int(clip.clip_id[-2:]) - 1
        centre = np.asarray(self._label[label] + self._actor[actor], np.float32)
        block = np.empty((len(centre), _frames(clip, self._stride), centre.shape[1]), np.float16)
        seed = int.from_bytes(hashlib.sha256(clip.clip_id.encode()).digest()[:8], "little")
        n = block[0].size
        for own, mean, start in zip(
            block, centre, np.random.default_rng(seed).integers(self._noise.size - n + 1, size=len(block)), strict=True
        ):
            np.add(self._noise[start : start + n].reshape(own.shape), mean, out=own, casting="same_kind")
        return block


def _write_shard(cache: CacheFolder, number: int, features: _Features) -> IndexedShard:
    clips = cache.planned.clips_of(number)
    blocks = tuple(features.block(clip) for clip in clips)
    records, start = [], 0
    for clip, block in zip(clips, blocks, strict=True):
        who = (clip.clip_id, clip.performance_id, clip.actor, clip.gender, clip.label)
        digest = hashlib.sha256(clip.clip_id.encode()).hexdigest()
        samples = round(clip.duration_s * RATE_HZ)
        n = block.shape[1]
        records.append(ClipRecord(*who, samples, RATE_HZ, digest, features_sha256(block), start, n))
        start += n
    stride = cache.identity["frame_stride"]
    times_s = tuple((np.arange(block.shape[1]) + 0.5) * stride / FRAMES_HZ for block in blocks)
    shape = (blocks[0].shape[0], blocks[0].shape[2])
    return cache.write_shard(
        ShardContent(
            number, cache.about, cache.identity, {"device": "none"}, tuple(records), (), blocks, times_s, shape
        )
    )
