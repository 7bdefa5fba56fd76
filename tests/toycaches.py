"""Caches that hold exactly the features a test wants, made by the real extraction.

The toy encoder reads its hidden states out of the samples of float wav files, so nothing between
the file and the head is left out. Values are stored as float32.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from ravfeat.cache.format import StoreRecipe
from ravfeat.encoders.base import Batching, EncoderInput, EncoderSpec
from ravfeat.extract import Extraction, run_extraction
from ravfeat.manifest import Clip, Manifest
from ravfeat.media.sound import Waveform
from ravfeat.schema import RAVDESS_LABELS

RATE_HZ = 1000
EMOTIONS = RAVDESS_LABELS[1:5]  # enough for a fold, few enough to be quick


@dataclass(frozen=True)
class Take:
    """One clip and what the encoder is to say about it; features of shape (T, L, D), float32."""

    clip_id: str
    actor: str
    gender: str
    label: str
    features: NDArray[np.float32]
    performance_id: str = ""


@dataclass
class ToyEncoder:
    """Gives samples back as hidden states."""

    n_layers: int
    dim: int
    name: str = "toy"
    weights: str = "none"

    batching: Batching = "equal"

    @property
    def spec(self) -> EncoderSpec:
        return EncoderSpec(self.name, "audio", self.weights, "toy/1", ("toy/1",), self.n_layers, self.dim, 50.0)

    def prepare(self, waveform: Waveform) -> EncoderInput:
        return EncoderInput(waveform.samples, np.arange(len(waveform.samples) // (self.n_layers * self.dim)) / 50)

    def encode(self, batch: Sequence[EncoderInput]) -> list[NDArray[np.float32]]:
        return [clip.values.reshape(clip.n_frames, self.n_layers, self.dim) for clip in batch]

    def provenance(self) -> dict[str, Any]:
        return {"device": "cpu"}


def build_cache(
    folder: Path,
    takes: Sequence[Take],
    *,
    name: str = "toy",
    corpus: str = "ravdess",
    classes: Sequence[str] = RAVDESS_LABELS,
    recipe: StoreRecipe | None = None,
    synthetic: bool = False,
) -> Path:
    """Write the takes as files, extract them, and give the cache's folder."""
    root = folder / "files"
    root.mkdir(parents=True)
    clips = []
    for take in takes:
        soundfile.write(root / f"{take.clip_id}.wav", take.features.ravel(), RATE_HZ, subtype="FLOAT")
        who = (take.clip_id, take.performance_id or take.clip_id, take.actor, take.gender, take.label)
        clips.append(Clip(*who, f"{take.clip_id}.wav", take.features.size / RATE_HZ))
    n_layers, dim = takes[0].features.shape[1:]
    manifest = Manifest(corpus, tuple(classes), tuple(clips), synthetic=synthetic)
    recipe = recipe or StoreRecipe(dtype="float32")
    what = Extraction(manifest, root, ToyEncoder(n_layers, dim, name=name), recipe)
    return run_extraction(what, folder / "cache").path


def actors_and_emotions(
    *, actors: int = 24, repeats: int = 1, n_layers: int = 3, dim: int = 4, seed: int = 0, corpus: str = "ravdess"
) -> list[Take]:
    """Takes whose middle layer says the emotion, the actor, and noise; the others only noise."""
    rng = np.random.default_rng(seed)
    emotion = 1.5 * rng.normal(size=(len(EMOTIONS), dim))
    person = 0.8 * rng.normal(size=(actors + 1, dim))
    takes = []
    for actor in range(1, actors + 1):
        for number, label in enumerate(EMOTIONS * repeats):
            features = rng.normal(size=(int(rng.integers(3, 7)), n_layers, dim))
            features[:, 1] += emotion[number % len(EMOTIONS)] + person[actor]
            gender = "male" if actor % 2 else "female"
            name = f"{corpus}:{actor:02d}"
            takes.append(Take(f"{actor:02d}-{number:02d}", name, gender, label, features.astype(np.float32)))
    return takes
