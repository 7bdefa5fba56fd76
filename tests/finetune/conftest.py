"""A few generated clips of four actors, and tiny encoders with random weights in both norm layouts."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from ravfeat.corpora.ravdess import scan_ravdess
from ravfeat.corpora.synth import generate
from ravfeat.finetune import FineTunePlan

TINY: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": (16,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
LAYOUTS: dict[str, dict[str, Any]] = {
    "stable": {"feat_extract_norm": "layer", "do_stable_layer_norm": True},
    "group": {"feat_extract_norm": "group", "do_stable_layer_norm": False},
}


@pytest.fixture(scope="session")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four emotions by four actors, two sentences: 32 clips, not to be changed."""
    whole, few = tmp_path_factory.mktemp("spoken") / "synth", tmp_path_factory.mktemp("few")
    generate(whole, actors=4)
    for emotion in ("03", "04", "05", "06"):
        for path in whole.rglob(f"03-01-{emotion}-01-*.wav"):
            shutil.copy(path, few)
    return few


@pytest.fixture(scope="session")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny WavLM of each layout, as `save_pretrained` writes it."""
    home = tmp_path_factory.mktemp("encoders")
    for layout, settings in LAYOUTS.items():
        torch.manual_seed(0)
        model = transformers.WavLMModel(transformers.WavLMConfig(**TINY, **settings))
        model.save_pretrained(home / layout)
        transformers.Wav2Vec2FeatureExtractor().save_pretrained(home / layout)
    return {layout: home / layout for layout in LAYOUTS}


@pytest.fixture(scope="session")
def plan_of(spoken: Path, encoders: dict[str, Path]) -> Callable[..., FineTunePlan]:
    """A plan of two folds and two epochs of few steps."""

    def plan(layout: str = "stable", **changes: Any) -> FineTunePlan:
        root = changes.pop("root", spoken)
        settings = {"protocol": "group4", "epochs": 2, "batch_clips": 8, "folds": (0, 1), "lr": 1e-3} | changes
        encoder = settings.pop("encoder", str(encoders[layout]))
        return FineTunePlan(scan_ravdess(root), root, encoder, settings.pop("unfreeze_top", 2), **settings)

    return plan
