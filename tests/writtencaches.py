"""Caches written shard by shard, without an encoder: any stream, any statistics, at once."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from ravfeat.cache.format import ClipRecord, ShardContent, StoreRecipe, features_sha256
from ravfeat.cache.locks import WorkLock
from ravfeat.cache.writer import prepare_cache
from ravfeat.encoders.base import EncoderSpec
from ravfeat.manifest import Clip, Manifest
from ravfeat.numerics.pooling import pool_frames
from ravfeat.schema import ACTIVE_COLUMNS, RAVDESS_LABELS
from tests.toycaches import Take

RATE_HZ = 30.0


def write_cache(
    folder: Path,
    takes: Sequence[Take],
    *,
    name: str = "toy",
    stream: str = "face",
    corpus: str = "ravdess",
    pooled: tuple[str, ...] = (),
    lost: Sequence[str] = (),
    view: str = "clean",
    heard: Sequence[Take] | None = None,
    dtype: Literal["float16", "float32"] = "float32",
    n_samples: int = 30,
    spec: EncoderSpec | None = None,
    synthetic: bool = False,
    active: Mapping[str, tuple[float, float]] | None = None,
    further: Mapping[str, Mapping[str, str | float]] | None = None,
) -> Path:
    """Write the takes as a cache in one shard and give its folder; `pooled` names statistics, `lost` clips.

    A `view` stores the features of `heard`, take by take, under the facts and digests of the takes. With a `spec` they
    pass for those of that encoder. `active` is the part of every clip in which it speaks, `further` its other columns.
    """
    clips = [
        Clip(take.clip_id, take.performance_id or take.clip_id, take.actor, take.gender, take.label, take.clip_id, 1.0)
        for take in takes
    ]
    manifest = Manifest(corpus, RAVDESS_LABELS, tuple(clips), synthetic=synthetic)
    digests = {take.clip_id: hashlib.sha256(_block(take, pooled).tobytes()).hexdigest() for take in takes}
    blocks = {
        take.clip_id: _block(changed, pooled).astype(dtype)
        for take, changed in zip(takes, heard or takes, strict=True)
        if take.clip_id not in lost
    }
    n_layers, _, dim = next(iter(blocks.values())).shape
    recipe = StoreRecipe(store="pooled" if pooled else "frames", dtype=dtype, view=view)
    identity = {"stream": stream, "weights": name, "layer_convention": "toy/1", "preprocessing": ["toy/1"]}
    if spec is not None:
        name, stream, identity = spec.name, spec.stream, spec.identity()
    identity |= recipe.identity(n_layers, stream) | {"statistics": list(pooled)}
    about = {"corpus": corpus, "synthetic": synthetic, "stream": stream, "encoder": name}
    cache = prepare_cache(folder, manifest, about, identity, lambda _: 1)
    stored = [clip for clip in manifest if clip.clip_id not in lost]
    records, start = [], 0
    for clip in stored:
        block = blocks[clip.clip_id]
        who = (clip.clip_id, clip.performance_id, clip.actor, clip.gender, clip.label)
        records.append(
            ClipRecord(
                *who,
                n_samples,
                RATE_HZ,
                digests[clip.clip_id],
                features_sha256(block),
                start,
                block.shape[1],
                further=dict(zip(ACTIVE_COLUMNS, (active or {}).get(clip.clip_id, ()), strict=False))
                | (further or {}).get(clip.clip_id, {}),
            )
        )
        start += block.shape[1]
    features = tuple(blocks[clip.clip_id] for clip in stored)
    times_s = tuple(np.arange(block.shape[1]) / RATE_HZ for block in features)
    content = ShardContent(
        0, about, identity, {"device": "cpu"}, tuple(records), (), features, times_s, (n_layers, dim),
        source=spec.source if spec is not None else {},
    )  # fmt: skip
    with WorkLock(cache.path) as lock:
        cache.update_index(lock, {0: cache.write_shard(content)})
    return cache.path


def _block(take: Take, pooled: tuple[str, ...]) -> np.ndarray:
    frames = take.features
    if pooled:
        values = pool_frames(frames, np.array([0, len(frames)]), pooled)  # (1, L, S, D)
        frames = values.reshape(1, frames.shape[1], -1)
    return np.ascontiguousarray(frames.transpose(1, 0, 2), np.float32)  # (T, L, D) -> (L, T, D)
