"""Whisper's encoder on clips that are shorter than its 30 seconds."""

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from ravfeat.encoders.registry import load_encoder
from ravfeat.errors import ClipError, EncoderError

TINY = {
    "d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 48,
    "decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 48, "vocab_size": 8, "num_mel_bins": 80,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1,
}  # fmt: skip


@pytest.fixture
def folder(save_tiny):
    return save_tiny("Whisper", **TINY)


@pytest.mark.parametrize(
    ("n_samples", "n_frames"),
    # 2240 samples are 0.14 s and seven frames; in floating point 0.14 * 50 is more than 7.
    [(400, 2), (2_240, 7), (2_241, 8), (16_000, 50), (52_853, 166), (480_000, 1_500)],
)
def test_a_clip_keeps_its_own_frames(n_samples, n_frames, folder, noise) -> None:
    encoder = load_encoder(str(folder), "cpu")
    assert encoder.prepare(noise(n_samples)).n_frames == n_frames


@pytest.mark.parametrize("n_samples", [400, 16_000, 33_333, 478_999, 480_000])
@pytest.mark.parametrize("bands", [80, 128])
def test_the_log_mel_of_a_clip_is_what_the_library_computes_for_30_seconds(n_samples, bands, save_tiny, noise) -> None:
    encoder = load_encoder(str(save_tiny("Whisper", **TINY | {"num_mel_bins": bands})), "cpu")
    clip = noise(n_samples)
    library = transformers.WhisperFeatureExtractor(feature_size=bands)(
        clip.samples, sampling_rate=16_000, return_tensors="np"
    )
    # Matrix products of another width may round otherwise, by CPU.
    np.testing.assert_allclose(encoder.prepare(clip).values, library.input_features[0], rtol=0, atol=1e-6)


def test_a_batch_equals_transformers_clip_by_clip_on_every_layer(folder, noise, far_apart) -> None:
    encoder = load_encoder(str(folder), "cpu")
    clips = [encoder.prepare(noise(n)) for n in (16_000, 52_853)]
    model = transformers.AutoModel.from_pretrained(folder).eval().encoder
    assert encoder.batching == "fixed"
    assert encoder.spec.n_layers == 3
    for own, clip in zip(encoder.encode(clips), clips, strict=True):
        with torch.inference_mode():
            output = model(torch.from_numpy(clip.values)[None], output_hidden_states=True)
        stack = torch.cat([*output.hidden_states[:-1], output.last_hidden_state]).numpy().transpose(1, 0, 2)
        assert own.shape == (clip.n_frames, 3, 32)
        assert far_apart(own, stack[: clip.n_frames]) < 1e-5


def test_every_frame_lies_within_its_clip(folder, noise) -> None:
    encoder = load_encoder(str(folder), "cpu")
    clip = noise(33_333)
    times_s = encoder.times_s(encoder.prepare(clip).n_frames)
    np.testing.assert_allclose(times_s[:3], [0, 0.02, 0.04])
    assert clip.duration_s - 0.02 <= times_s[-1] < clip.duration_s


def test_a_clip_over_30_seconds_is_refused(folder, noise) -> None:
    encoder = load_encoder(str(folder), "cpu")
    with pytest.raises(ClipError, match=r"too long: 30.0 s, tiny reads 30 s at most; split the clip"):
        encoder.prepare(noise(480_001))


def test_a_clip_shorter_than_one_window_is_refused(folder, noise) -> None:
    encoder = load_encoder(str(folder), "cpu")
    with pytest.raises(ClipError, match="too short: 399 samples at 16000 Hz, tiny needs at least 400"):
        encoder.prepare(noise(399))


def test_the_decoder_may_be_missing_and_the_encoder_may_not(folder) -> None:
    weights = load_file(folder / "model.safetensors")
    encoder_only = {key: value for key, value in weights.items() if "decoder." not in key}
    assert len(encoder_only) < len(weights)
    save_file(encoder_only, folder / "model.safetensors", metadata={"format": "pt"})
    assert load_encoder(str(folder), "cpu").spec.dim == 32
    encoder_only.pop(next(key for key in encoder_only if key.endswith("layers.1.fc1.weight")))
    save_file(encoder_only, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EncoderError, match=r"1 are missing \(encoder.layers.1.fc1.weight"):
        load_encoder(str(folder), "cpu")


def test_the_identity_names_the_log_mel_recipe(folder) -> None:
    steps = load_encoder(str(folder), "cpu").spec.preprocessing
    assert "whisper log-mel: 80 bands, fft 400, hop 160, padded to 480000 samples/1" in steps
