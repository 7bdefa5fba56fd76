"""WavLM's attention through the fused kernel: the library's numbers, and its steps where it learns."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch

from ravfeat.encoders.attention import FusedWavLMAttention, attention_of, fuse_attention
from ravfeat.encoders.loading import load_model
from ravfeat.encoders.registry import load_encoder
from ravfeat.encoders.weights import open_weights

PLAIN = {"feat_extract_norm": "group", "do_stable_layer_norm": False}
STABLE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
LAYOUTS = pytest.mark.parametrize("layout", [PLAIN, STABLE], ids=["plain", "stable"])
FAMILIES = pytest.mark.parametrize("family", ["WavLM", "Hubert", "Wav2Vec2", "UniSpeech", "UniSpeechSat"])


def waveforms(*lengths: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch and its mask; what is padded is zero."""
    generator = torch.Generator().manual_seed(len(lengths))
    values, mask = torch.zeros(len(lengths), max(lengths)), torch.zeros(len(lengths), max(lengths), dtype=torch.long)
    for row, length in enumerate(lengths):
        values[row, :length] = torch.randn(length, generator=generator)
        mask[row, :length] = 1
    return values, mask


def stack(model, values, mask) -> list[torch.Tensor]:
    """Every hidden state, and the last after the norm."""
    with torch.inference_mode():
        output = model(values.clone(), attention_mask=mask, output_hidden_states=True)
    return [*output.hidden_states, output.last_hidden_state]


def assert_close(ours, theirs) -> None:
    assert len(ours) == len(theirs)
    for one, two in zip(ours, theirs, strict=True):
        assert float((one - two).norm() / two.norm()) < 1e-5
        torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-5)


@FAMILIES
@LAYOUTS
@pytest.mark.parametrize("lengths", [(9_000,), (9_000, 9_000), (9_000, 4_000, 401)], ids=["one", "two", "padded"])
def test_every_hidden_state_is_the_librarys(family, layout, lengths, save_tiny) -> None:
    folder = open_weights(save_tiny(family, **layout))
    library = load_model(folder)[0].eval()
    if family != "WavLM":
        library.set_attn_implementation("eager")
    fused = load_encoder(str(folder.path), "cpu").model
    values, mask = waveforms(*lengths)
    with pytest.warns(UserWarning, match="mismatched key_padding_mask") if _warns(family, lengths) else nullcontext():
        expected = stack(library, values, mask if len(set(lengths)) > 1 else None)
    assert_close(stack(fused, values, mask if len(set(lengths)) > 1 else None), expected)
    assert attention_of(fused) == "sdpa"


def _warns(family, lengths) -> bool:
    return family == "WavLM" and len(set(lengths)) > 1


def test_a_mask_of_ones_changes_nothing(save_tiny) -> None:
    fused = load_encoder(str(save_tiny("WavLM", **STABLE)), "cpu").model
    values, mask = waveforms(9_000, 9_000)
    assert_close(stack(fused, values, mask), stack(fused, values, None))


def test_names_and_values_of_the_parameters_stay(make_tiny) -> None:
    model = make_tiny("WavLM", **STABLE)
    before = {name: values.clone() for name, values in model.named_parameters()}
    fuse_attention(model)
    after = dict(model.named_parameters())
    assert list(after) == list(before)
    assert all(torch.equal(after[name], values) for name, values in before.items())
    assert all(isinstance(layer.attention, FusedWavLMAttention) for layer in model.encoder.layers)


def test_where_gradients_are_asked_for_the_librarys_own_steps_run(make_tiny) -> None:
    library, fused = make_tiny("WavLM", **STABLE), make_tiny("WavLM", **STABLE)
    fuse_attention(fused)
    values, _ = waveforms(4_000)
    gradients = []
    for model in (library, fused):
        model.encoder.layers.train()
        torch.manual_seed(3)  # dropout draws the same
        model(values).last_hidden_state.square().sum().backward()
        gradients.append({name: values.grad for name, values in model.named_parameters() if values.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    assert all(torch.equal(gradients[0][name], gradients[1][name]) for name in gradients[0])


def test_the_library_itself_is_not_changed(make_tiny, save_tiny) -> None:
    load_encoder(str(save_tiny("WavLM")), "cpu")
    assert attention_of(make_tiny("WavLM")) == "eager"


def test_how_attention_is_computed_is_provenance_and_no_identity(save_tiny, noise) -> None:
    encoder = load_encoder(str(save_tiny("WavLM", **STABLE)), "cpu")
    assert encoder.provenance()["attention"] == "sdpa"
    assert "attention" not in str(encoder.spec.identity())
    assert np.isfinite(encoder.encode([encoder.prepare(noise(4_000))])[0]).all()
