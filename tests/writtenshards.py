"""Caches of any number of shards with random features, written at once."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from ravfeat.cache import writer
from ravfeat.cache.format import ClipRecord, ShardContent, StoreRecipe, features_sha256, layers_sha256
from ravfeat.cache.locks import WorkLock
from ravfeat.cache.writer import prepare_cache
from ravfeat.manifest import Clip, Manifest

LABELS = ("neutral", "happy", "sad")


def write_shards(
    out: Path, *, shards: int, clips: int, frames: int, layers: int, dim: int, corpus: str = "toy", actors: int = 4
) -> Path:
    """Write so many shards of so many clips each, of about so many frames, as float16; gives the cache's folder."""
    rows = [
        Clip(f"clip-{i:06d}", f"take-{i:06d}", f"{corpus}:{i % actors + 1:02d}", "", LABELS[i % 3], f"{i}.wav", 3.0)
        for i in range(shards * clips)
    ]
    identity = {"stream": "audio", "weights": "toy", "layer_convention": "toy/1", "preprocessing": ["toy/1"]}
    identity |= StoreRecipe().identity(layers)
    about = {"corpus": corpus, "synthetic": True, "stream": "audio", "encoder": "toy"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "MAX_SHARD_CLIPS", clips)
        cache = prepare_cache(out, Manifest(corpus, LABELS, tuple(rows), synthetic=True), about, identity, lambda _: 1)
    rng = np.random.default_rng(0)
    with WorkLock(cache.path) as lock:
        written = {}
        for number in cache.planned.numbers:
            content = _content(cache, number, rng, (layers, frames, dim))
            written[number] = cache.write_shard(content)
        cache.update_index(lock, written)
    return cache.path


def _content(
    cache: writer.CacheFolder, number: int, rng: np.random.Generator, shape: tuple[int, int, int]
) -> ShardContent:
    layers, frames, dim = shape
    blocks, records, start = [], [], 0
    for clip in cache.planned.clips_of(number):
        length = frames + int(rng.integers(0, 5))
        # Any finite bits: drawing normal numbers would take most of the time.
        block = rng.integers(0, 15_000, (layers, length, dim), np.uint16).view(np.float16)
        sha256 = hashlib.sha256(clip.clip_id.encode()).hexdigest()
        who = (clip.clip_id, clip.performance_id, clip.actor, clip.gender, clip.label)
        records.append(
            ClipRecord(*who, 48_000, 16_000.0, sha256, features_sha256(block), start, length, layers_sha256(block))
        )
        blocks.append(block)
        start += length
    times_s = tuple(np.arange(block.shape[1]) / 50 for block in blocks)
    return ShardContent(
        number,
        cache.about,
        cache.identity,
        {"device": "cpu"},
        tuple(records),
        (),
        tuple(blocks),
        times_s,
        (layers, dim),
    )
