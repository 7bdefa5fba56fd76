"""Encoders that read waveforms, against transformers run clip by clip."""

from typing import Any

import numpy as np
import pytest
import torch
import transformers

from ravfeat.encoders.registry import load_encoder
from ravfeat.errors import ClipError

LAYER_NORM = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "num_hidden_layers": 3}
GROUP_NORM = {"feat_extract_norm": "group", "do_stable_layer_norm": False}
LENGTHS = (16_000, 9_000, 16_000, 12_345, 400)


def one_by_one(folder: Any, encoder: Any, clips: list[Any]) -> list[np.ndarray]:
    """Hidden states as transformers gives them for each clip alone, the last one replaced by the output."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    stacks = []
    for clip in clips:
        with torch.inference_mode():
            output = model(torch.from_numpy(clip.values)[None], output_hidden_states=True)
        stacks.append(torch.cat([*output.hidden_states[:-1], output.last_hidden_state]).numpy().transpose(1, 0, 2))
    return stacks


@pytest.mark.parametrize("family", ["WavLM", "Hubert", "Wav2Vec2"])
@pytest.mark.parametrize(
    ("layout", "batching"), [(LAYER_NORM, "padded"), (GROUP_NORM, "equal")], ids=["layer-norm", "group-norm"]
)
def test_a_batch_of_unequal_clips_equals_clip_by_clip_on_every_layer(
    family, layout, batching, save_tiny, noise, far_apart
) -> None:
    folder = save_tiny(family, **layout)
    encoder = load_encoder(str(folder), "cpu")
    clips = [encoder.prepare(noise(n)) for n in LENGTHS]
    batched = encoder.encode(clips)
    assert encoder.batching == batching
    for own, expected in zip(batched, one_by_one(folder, encoder, clips), strict=True):
        assert own.dtype == np.float32
        assert far_apart(own, expected) < 1e-5


@pytest.mark.parametrize(
    ("family", "settings", "batching"),
    [
        ("UniSpeech", LAYER_NORM, "padded"),
        ("UniSpeechSat", LAYER_NORM, "padded"),
        ("UniSpeechSat", GROUP_NORM, "equal"),
        ("Data2VecAudio", {"num_conv_pos_embeddings": 3, "conv_pos_kernel_size": 5}, "equal"),
        ("Wav2Vec2Conformer", {"feat_extract_norm": "layer"}, "equal"),
        ("Hubert", {**LAYER_NORM, "conv_pos_batch_norm": True}, "equal"),
    ],
)
def test_families_whose_mask_lets_padding_through_are_not_padded(
    family, settings, batching, save_tiny, noise, far_apart
) -> None:
    folder = save_tiny(family, **settings)
    encoder = load_encoder(str(folder), "cpu")
    clips = [encoder.prepare(noise(n)) for n in LENGTHS[:2]]
    assert encoder.batching == batching
    for own, expected in zip(encoder.encode(clips), one_by_one(folder, encoder, clips), strict=True):
        assert far_apart(own, expected) < 1e-5


@pytest.mark.parametrize("layout", [LAYER_NORM, GROUP_NORM], ids=["layer-norm", "group-norm"])
def test_layers_run_from_the_input_of_the_first_block_to_the_last_hidden_state(layout, save_tiny, noise) -> None:
    folder = save_tiny("WavLM", **layout)
    encoder = load_encoder(str(folder), "cpu")
    clip = encoder.prepare(noise(8_000))
    (states,) = encoder.encode([clip])
    model = transformers.AutoModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        output = model(torch.from_numpy(clip.values)[None], output_hidden_states=True)
    assert states.shape == (24, layout.get("num_hidden_layers", 2) + 1, 32)
    assert encoder.spec.n_layers == states.shape[1]
    assert encoder.spec.dim == states.shape[2]
    np.testing.assert_allclose(states[:, -1], output.last_hidden_state[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(states[:, 0], output.hidden_states[0][0], rtol=1e-5, atol=1e-6)


def test_transformers_takes_the_last_hidden_state_of_stable_encoders_before_their_final_norm(make_tiny) -> None:
    # Up to transformers 4.57 both were the same. Our stack reads last_hidden_state, which never changed;
    # should this fail one day, only this comment and the module's docstring need another look.
    model = make_tiny("WavLM", **LAYER_NORM)
    with torch.inference_mode():
        output = model(torch.randn(1, 8_000), output_hidden_states=True)
        normed = model.encoder.layer_norm(output.hidden_states[-1])
    assert (output.hidden_states[-1] - output.last_hidden_state).abs().max() > 0.1
    torch.testing.assert_close(normed, output.last_hidden_state)


def test_transformers_gives_other_encoders_their_last_hidden_state_twice(make_tiny) -> None:
    model = make_tiny("WavLM", **GROUP_NORM)
    with torch.inference_mode():
        output = model(torch.randn(1, 8_000), output_hidden_states=True)
    torch.testing.assert_close(output.hidden_states[-1], output.last_hidden_state)


def test_every_clip_is_normalised_by_itself_as_by_the_library(save_tiny, noise) -> None:
    encoder = load_encoder(str(save_tiny("WavLM", **LAYER_NORM)), "cpu")
    clip = noise(9_000)
    library = transformers.Wav2Vec2FeatureExtractor()(clip.samples, sampling_rate=16_000, return_tensors="np")
    np.testing.assert_allclose(encoder.prepare(clip).values, library.input_values[0], rtol=1e-5, atol=1e-5)
    assert "zero mean, unit variance per clip/1" in encoder.spec.preprocessing


def test_a_preprocessor_config_that_does_not_normalise_is_obeyed_and_part_of_the_identity(save_tiny, noise) -> None:
    folder = save_tiny("WavLM", **LAYER_NORM)
    normalising = load_encoder(str(folder), "cpu")
    transformers.Wav2Vec2FeatureExtractor(do_normalize=False).save_pretrained(folder)
    plain = load_encoder(str(folder), "cpu")
    clip = noise(9_000)
    np.testing.assert_array_equal(plain.prepare(clip).values, clip.samples)
    assert plain.spec.weights == normalising.spec.weights
    assert plain.spec.identity() != normalising.spec.identity()


def test_a_clip_is_resampled_to_the_rate_of_the_encoder(save_tiny, noise) -> None:
    encoder = load_encoder(str(save_tiny("WavLM", **LAYER_NORM)), "cpu")
    assert len(encoder.prepare(noise(48_000, 48_000)).values) == 16_000


def test_the_shortest_clip_gives_one_frame_and_a_shorter_one_is_refused(save_tiny, noise) -> None:
    encoder = load_encoder(str(save_tiny("WavLM", **LAYER_NORM)), "cpu")
    shortest = encoder.prepare(noise(400))
    assert encoder.encode([shortest])[0].shape == (1, 4, 32)
    with pytest.raises(ClipError, match="too short: 399 samples at 16000 Hz, tiny needs at least 400"):
        encoder.prepare(noise(399))


def test_frames_are_timed_at_the_middle_of_what_they_see(save_tiny) -> None:
    encoder = load_encoder(str(save_tiny("WavLM", **LAYER_NORM)), "cpu")
    np.testing.assert_allclose(encoder.times_s(3), [0.0125, 0.0325, 0.0525])
    assert encoder.spec.frame_rate_hz == 50


def test_the_order_of_a_batch_is_kept_where_it_is_split_by_length(save_tiny, noise) -> None:
    encoder = load_encoder(str(save_tiny("Hubert", **GROUP_NORM)), "cpu")
    clips = [encoder.prepare(noise(n)) for n in (800, 1_600, 800, 2_400)]
    shapes = [states.shape[0] for states in encoder.encode(clips)]
    assert shapes == [clip.n_frames for clip in clips] == [2, 4, 2, 7]


def test_encoding_is_exact_and_leaves_the_precision_settings_of_torch_as_they_were(save_tiny, noise) -> None:
    encoder = load_encoder(str(save_tiny("WavLM", **LAYER_NORM)), "cpu")
    places: Any = [torch.backends.cudnn.conv, torch.backends.cuda.matmul, torch.backends.mkldnn.matmul]
    before = [place.fp32_precision for place in places]
    seen = []
    encoder._model.register_forward_pre_hook(lambda *_: seen.extend(place.fp32_precision for place in places))
    encoder.encode([encoder.prepare(noise(800))])
    assert seen == ["ieee"] * 3
    assert [place.fp32_precision for place in places] == before
    assert encoder.provenance()["tf32"] is False
