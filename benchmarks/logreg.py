"""Nested choice of layers and C for logistic regression, against pipelines refitted from scratch.

The cache has the size of a pooled WavLM-large cache of RAVDESS: 1440 clips, 25 layers, mean and standard deviation of
1024 dimensions. Values are generated: what a layer says of the emotion, the actor and nothing rises and falls with its
depth, so that there is something to choose. The alternative is `StandardScaler` and `LogisticRegression` in a pipeline,
fitted for every training set, set of layers and C. All of it would take hours; a slice is timed and scaled by count.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ravfeat.cache.format import ClipRecord, ShardContent, StoreRecipe, features_sha256
from ravfeat.cache.locks import WorkLock
from ravfeat.cache.writer import prepare_cache
from ravfeat.manifest import Clip, Manifest
from ravfeat.schema import RAVDESS_LABELS

__all__ = ["generate", "measure"]

N_ACTORS, TAKES, N_LAYERS, DIM = 24, 60, 25, 1024


def generate(folder: Path, *, n_layers: int = N_LAYERS, dim: int = DIM) -> Path:
    """Write a pooled cache of 1440 clips and give its folder."""
    clips = [_clip(actor, take) for actor in range(1, N_ACTORS + 1) for take in range(TAKES)]
    manifest = Manifest("ravdess", RAVDESS_LABELS, tuple(clips))
    recipe = StoreRecipe(store="pooled")
    identity = {"stream": "audio", "weights": "generated", "layer_convention": "toy/1", "preprocessing": ["toy/1"]}
    identity |= recipe.identity(n_layers, "audio") | {"statistics": ["mean", "std"]}
    about = {"corpus": "ravdess", "synthetic": True, "stream": "audio", "encoder": "generated"}
    cache = prepare_cache(folder, manifest, about, identity, lambda _: 2 * n_layers * 2 * dim)
    values = _values(manifest.clips, n_layers, 2 * dim)
    with WorkLock(cache.path) as lock:
        for number in sorted(set(cache.planned.shards.values())):
            own = [i for i, clip in enumerate(manifest) if cache.planned.shards[clip.clip_id] == number]
            records = [_record(manifest.clips[i], values[i], at) for at, i in enumerate(own)]
            features, times_s = tuple(values[i] for i in own), tuple(np.zeros(1) for _ in own)
            shape = (n_layers, 2 * dim)
            content = ShardContent(
                number, about, identity, {"device": "cpu"}, tuple(records), (), features, times_s, shape
            )
            cache.update_index(lock, {number: cache.write_shard(content)})
    return cache.path


def _clip(actor: int, take: int) -> Clip:
    label = RAVDESS_LABELS[(take + 4) // 8]  # 4 takes of neutral, 8 of every other emotion
    name = f"{actor:02d}-{take:02d}"
    return Clip(name, name, f"ravdess:{actor:02d}", "male" if actor % 2 else "female", label, f"{name}.wav", 1.0)


def _record(clip: Clip, block: NDArray[np.float16], at: int) -> ClipRecord:
    digest = hashlib.sha256(block.tobytes()).hexdigest()
    who = (clip.clip_id, clip.performance_id, clip.actor, clip.gender, clip.label)
    return ClipRecord(*who, 16000, 16000.0, digest, features_sha256(block), at, 1)


def _values(clips: tuple[Clip, ...], n_layers: int, width: int) -> NDArray[np.float16]:
    """Blocks of shape (n_layers, 1, width) for every clip."""
    rng = np.random.default_rng(0)
    y = np.array([RAVDESS_LABELS.index(clip.label) for clip in clips])
    actor = np.array([int(clip.actor[-2:]) for clip in clips])
    values = np.empty((len(clips), n_layers, 1, width), np.float16)
    hidden = rng.normal(size=(len(clips), 96)) / np.sqrt(1 + np.arange(96) / 4)  # what all layers share, with a decay
    emotion = rng.normal(size=(len(RAVDESS_LABELS), 96)) / np.sqrt(1 + np.arange(96) / 4)
    person = rng.normal(size=(N_ACTORS + 1, len(RAVDESS_LABELS), 96)) / np.sqrt(1 + np.arange(96) / 4)
    for layer in range(n_layers):
        depth = layer / max(1, n_layers - 1)
        clear = 0.2 + 0.22 * np.exp(-(((depth - 0.6) / 0.25) ** 2))
        own = hidden + clear * emotion[y] + 0.8 * person[actor].mean(1) * np.sqrt(8) + 0.5 * person[actor, y]
        wide = own @ rng.normal(size=(96, width)) / np.sqrt(20) + 0.5 * rng.normal(size=(len(clips), width))
        wide[:, width // 2 :] = np.exp(0.2 * wide[:, width // 2 :])  # a standard deviation is positive and skewed
        values[:, layer, 0] = wide * np.exp(rng.normal(size=width)) + rng.normal(size=width)
    return values


def measure() -> Iterator[str]:
    """Measure and give one line for each figure."""
    yield ""
