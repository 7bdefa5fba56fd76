"""Tiny encoders of every family with random weights, saved as their authors would."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers

from tests.encoders.conftest import tiny_model
from tests.encoders.test_image import FAMILIES as IMAGE_FAMILIES
from tests.encoders.test_image import save as save_image_model
from tests.encoders.test_waveforms import GROUP_NORM, LAYER_NORM
from tests.encoders.test_whisper import TINY as WHISPER

WHISPER_S = 5  # instead of 30: attention over 1500 frames takes long on a processor

SPEECH: dict[str, tuple[str, dict[str, Any]]] = {
    "wavlm": ("WavLM", LAYER_NORM),
    "wavlm-group": ("WavLM", GROUP_NORM),
    "hubert": ("Hubert", LAYER_NORM),
    "hubert-group": ("Hubert", GROUP_NORM),
    "wav2vec2": ("Wav2Vec2", LAYER_NORM),
    "wav2vec2-conformer": ("Wav2Vec2Conformer", {"feat_extract_norm": "layer"}),
    "unispeech": ("UniSpeech", LAYER_NORM),
    "unispeech-sat": ("UniSpeechSat", LAYER_NORM),
    "data2vec-audio": ("Data2VecAudio", {"num_conv_pos_embeddings": 3, "conv_pos_kernel_size": 5}),
    "whisper": ("Whisper", WHISPER | {"max_source_positions": 50 * WHISPER_S}),
}
"""Family of transformers and its settings, by name."""

BUILT_IN = ("logmel",)
AUDIO = (*SPEECH, *BUILT_IN)
FACE = tuple(IMAGE_FAMILIES)


def save_model(home: Path, name: str) -> str:
    """Save a tiny model of a family; return what --encoder takes."""
    if name in BUILT_IN:
        return name
    folder = home / name
    if not folder.exists():
        torch.manual_seed(0)
        if name in SPEECH:
            family, settings = SPEECH[name]
            tiny_model(family, **settings).save_pretrained(folder)
            if name == "whisper":
                transformers.WhisperFeatureExtractor(chunk_length=WHISPER_S).save_pretrained(folder)
            else:
                transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)
        else:
            save_image_model(folder, name)
    return str(folder)


SaveModel = Callable[[str], str]
