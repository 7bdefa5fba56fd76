"""Tiny encoders with random weights: real families, real strides, nothing to download."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from numpy.typing import NDArray

from ravfeat.media.sound import Waveform

TINY: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": (16,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}

SaveTiny = Callable[..., Path]


def tiny_model(family: str, kind: str = "Model", **settings: Any) -> Any:
    """A model of a family, every weight away from its first value, so that none can be forgotten unnoticed."""
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**{**TINY, **settings})
    model = getattr(transformers, f"{family}{kind}")(config).eval()
    with torch.no_grad():
        for values in model.parameters():
            values.add_(0.05 * torch.randn_like(values))
    return model


def save_whole(model: Any, folder: Path, **settings: Any) -> Path:
    """Save a model and the feature extractor that belongs to it."""
    model.save_pretrained(folder, **settings)
    if model.config.model_type == "whisper":
        transformers.WhisperFeatureExtractor(feature_size=model.config.num_mel_bins).save_pretrained(folder)
    else:
        transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


@pytest.fixture
def make_tiny() -> Callable[..., Any]:
    return tiny_model


@pytest.fixture
def save_model() -> Callable[..., Path]:
    return save_whole


@pytest.fixture
def save_tiny(tmp_path: Path) -> SaveTiny:
    def save(family: str, kind: str = "Model", *, name: str = "tiny", **settings: Any) -> Path:
        return save_whole(tiny_model(family, kind, **settings), tmp_path / name)

    return save


@pytest.fixture
def noise() -> Callable[[int], Waveform]:
    """Loud enough, not centred, so that normalisation has something to do."""

    def make(n_samples: int, rate: int = 16_000) -> Waveform:
        rng = np.random.default_rng(n_samples)
        return Waveform((0.1 * rng.normal(size=n_samples) + 0.05).astype(np.float32), rate)

    return make


@pytest.fixture
def far_apart() -> Callable[[NDArray[Any], NDArray[Any]], float]:
    """Largest relative difference over layers of two (T, L, D) stacks."""

    def measure(one: NDArray[Any], two: NDArray[Any]) -> float:
        assert one.shape == two.shape
        norms = np.linalg.norm(two, axis=(0, 2))
        assert (norms > 0).all()
        return float((np.linalg.norm(one - two, axis=(0, 2)) / norms).max())

    return measure
