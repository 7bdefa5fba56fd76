"""Damaged model folders: refused by a message, or loaded and run."""

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import torch
import transformers

from ravfeat.encoders.onnx import load_onnx_encoder
from ravfeat.encoders.registry import load_encoder
from ravfeat.errors import RavfeatError
from ravfeat.media.sound import Waveform
from tests.fuzz.mutations import mutate_bytes, mutate_toml, mutated, outcome, rounds
from tests.toynets import write_net

SMALL = {"num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 48}
CONVOLUTIONS = {"conv_dim": (16,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4}
WHISPER = {
    "d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 48, "decoder_layers": 1,
    "decoder_attention_heads": 2, "decoder_ffn_dim": 48, "vocab_size": 8, "max_source_positions": 100,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Honest folders: one file, several files, and Whisper's."""
    home = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    wavlm = transformers.WavLMModel(transformers.WavLMConfig(**SMALL, **CONVOLUTIONS))
    for name, size in (("one", "1GB"), ("several", "60KB")):
        wavlm.save_pretrained(home / name, max_shard_size=size)
        transformers.Wav2Vec2FeatureExtractor().save_pretrained(home / name)
    transformers.WhisperModel(transformers.WhisperConfig(**WHISPER)).save_pretrained(home / "whisper")
    transformers.WhisperFeatureExtractor(chunk_length=2).save_pretrained(home / "whisper")
    return {folder.name: folder for folder in home.iterdir()}


def test_a_damaged_model_folder_is_refused_or_runs(folders, tmp_path) -> None:
    clip = Waveform(torch.rand(4_000, generator=torch.manual_seed(0)).numpy() - 0.5, 16_000)
    refused = 0
    for seed in range(rounds(60)):
        random = Random(seed)
        folder = tmp_path / str(seed)
        shutil.copytree(folders[random.choice(sorted(folders))], folder)
        files = sorted(folder.iterdir())
        path = random.choice([file for file in files if file.suffix == ".json"] if random.random() < 0.8 else files)
        path.write_bytes(mutated(path.name, path.read_bytes(), random))
        refused += isinstance(outcome(_run(folder, clip)), RavfeatError)
        shutil.rmtree(folder)
    assert refused > rounds(60) / 4


SETTINGS = b"""embedding = "features"
logits = "scores"
labels = ["a", "b", "c"]
size = 16
colour = "rgb"
divide_by = 255
mean = [0.1, 0.2, 0.3]
std = 1.0
margin = 1.1
name = "toy"
"""


def test_a_damaged_net_or_its_settings_are_refused_or_run(tmp_path) -> None:
    path = write_net(tmp_path / "toy.onnx")
    net, refused = path.read_bytes(), 0
    for seed in range(rounds(200)):
        random = Random(seed)
        either = random.random() < 0.6
        path.with_suffix(".toml").write_bytes(mutate_toml(SETTINGS, random) if either else SETTINGS)
        path.write_bytes(net if either else mutate_bytes(net, random))
        result = outcome(lambda: load_onnx_encoder(path, "cpu", steps=(), margin=None, frame_rate_hz=30.0))
        refused += isinstance(result, RavfeatError)
    assert refused > rounds(200) / 4


def _run(folder: Path, clip: Waveform) -> Callable[[], object]:
    def run() -> object:
        encoder = load_encoder(str(folder), "cpu")
        return encoder.encode([encoder.prepare(clip)])

    return run
