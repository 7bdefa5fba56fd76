"""What is loaded, and what is refused, from a folder as transformers saves it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from ravfeat.encoders.registry import load_encoder
from ravfeat.errors import EncoderError

STABLE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
NOT_WAVEFORMS = "expected an encoder that reads waveforms"


def refused(folder: Path, match: str) -> str:
    with pytest.raises(EncoderError, match=match) as error:
        load_encoder(str(folder), "cpu")
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


def config_only(folder: Path, config: Any) -> Path:
    """A configuration beside weights that nobody should get as far as reading."""
    config.save_pretrained(folder)
    save_file({"weight": torch.zeros(1)}, folder / "model.safetensors")
    return folder


def change_weights(folder: Path, change: Any) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def test_an_encoder_saved_with_a_head_for_a_task_gives_the_same_features(
    make_tiny, save_model, tmp_path, noise
) -> None:
    with_head = make_tiny("Wav2Vec2", "ForCTC", **STABLE)
    save_model(with_head, tmp_path / "head")
    save_model(with_head.wav2vec2, tmp_path / "bare")
    stacks = []
    for name in ("head", "bare"):
        encoder = load_encoder(str(tmp_path / name), "cpu")
        stacks.append(encoder.encode([encoder.prepare(noise(4_000))])[0])
    np.testing.assert_array_equal(*stacks)


def test_pytorch_files_with_the_old_names_of_weight_norm_load_without_a_loss(save_tiny, tmp_path, noise) -> None:
    folder = save_tiny("WavLM", **STABLE)
    encoder = load_encoder(str(folder), "cpu")
    expected = encoder.encode([encoder.prepare(noise(4_000))])[0]
    old_names = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    weights = load_file(folder / "model.safetensors")
    for new, old in old_names.items():
        for key in [key for key in weights if key.endswith(new)]:
            weights[key.removesuffix(new) + old] = weights.pop(key)
    assert any(key.endswith("weight_g") for key in weights)
    (tmp_path / "bin").mkdir()
    torch.save(weights, tmp_path / "bin" / "pytorch_model.bin")
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / "bin" / name).write_bytes((folder / name).read_bytes())
    encoder = load_encoder(str(tmp_path / "bin"), "cpu")
    np.testing.assert_array_equal(encoder.encode([encoder.prepare(noise(4_000))])[0], expected)


def test_weights_saved_in_half_precision_are_computed_with_in_single(
    make_tiny, save_model, tmp_path, noise, far_apart
) -> None:
    model = make_tiny("WavLM", **STABLE)
    save_model(model.half(), tmp_path / "half")
    assert json.loads((tmp_path / "half/config.json").read_text())["dtype"] == "float16"
    encoder = load_encoder(str(tmp_path / "half"), "cpu")
    clip = encoder.prepare(noise(4_000))
    with torch.inference_mode():
        rounded = model.float()(torch.from_numpy(clip.values)[None]).last_hidden_state[0].numpy()
    assert {values.dtype for values in encoder._model.parameters()} == {torch.float32}
    np.testing.assert_allclose(encoder.encode([clip])[0][:, -1], rounded, rtol=1e-4, atol=1e-5)


def test_loading_says_nothing_about_parts_nobody_needs(make_tiny, save_model, tmp_path, capfd) -> None:
    save_model(make_tiny("Wav2Vec2", "ForCTC"), tmp_path / "head")
    capfd.readouterr()
    load_encoder(str(tmp_path / "head"), "cpu")
    assert capfd.readouterr() == ("", "")


def test_a_folder_without_configuration_is_no_encoder(tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", r"has no config.json; expected a folder as save_pretrained writes it")


def test_a_configuration_without_weights_never_runs_on_random_ones(save_tiny) -> None:
    folder = save_tiny("WavLM")
    (folder / "model.safetensors").unlink()
    refused(folder, r"has a configuration and no weights.*must not run on random weights")


def test_a_missing_tensor_is_named(save_tiny) -> None:
    folder = save_tiny("WavLM", **STABLE)
    change_weights(folder, lambda weights: weights.pop("encoder.layer_norm.weight"))
    refused(folder, r"1 are missing \(encoder.layer_norm.weight …\).*must not run on random weights")


def test_a_configuration_with_fewer_layers_than_the_weights_is_refused(save_tiny) -> None:
    folder = save_tiny("WavLM", **STABLE)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 1}))
    refused(folder, r"holds layers that its config.json does not know, encoder.layers.1 and 0 more")


def test_the_library_sees_no_file_but_those_of_the_digest(save_tiny, noise) -> None:
    folder = save_tiny("WavLM", **STABLE)
    encoder = load_encoder(str(folder), "cpu")
    for name in ("generation_config.json", "tokenizer_config.json", "config.4.0.0.json", "mine.py"):
        (folder / name).write_text("not even JSON")
    (folder / "tf_model.h5").write_bytes(b"not weights")
    (folder / "model.fp16.safetensors").write_bytes(b"not weights")
    again = load_encoder(str(folder), "cpu")
    assert again.spec == encoder.spec
    np.testing.assert_array_equal(*(model.encode([model.prepare(noise(4_000))])[0] for model in (encoder, again)))


def test_results_that_a_configuration_wants_as_tuples_are_read_all_the_same(save_tiny, noise) -> None:
    folder = save_tiny("WavLM", **STABLE)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"return_dict": False}))
    encoder = load_encoder(str(folder), "cpu")
    assert encoder.encode([encoder.prepare(noise(4_000))])[0].shape == (12, 3, 32)


def test_the_vector_that_masks_frames_in_training_may_be_missing(save_tiny) -> None:
    folder = save_tiny("WavLM", **STABLE)
    change_weights(folder, lambda weights: weights.pop("masked_spec_embed"))
    assert load_encoder(str(folder), "cpu").spec.n_layers == 3


def test_a_tensor_of_another_shape_is_refused(save_tiny) -> None:
    folder = save_tiny("WavLM", **STABLE)
    change_weights(folder, lambda weights: weights.update({"encoder.layer_norm.weight": torch.zeros(7)}))
    refused(folder, r"cannot be loaded by transformers|have another shape")


def test_a_cut_off_weight_file_is_refused(save_tiny) -> None:
    folder = save_tiny("WavLM", **STABLE)
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    refused(folder, r"cannot be loaded by transformers \(.+\)")


def test_a_weight_file_that_is_none_is_refused(save_tiny) -> None:
    folder = save_tiny("WavLM", **STABLE)
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"not a pickle")
    refused(folder, r"cannot be loaded by transformers \(.+\)")


def test_a_configuration_that_is_not_json_is_refused(save_tiny) -> None:
    folder = save_tiny("WavLM")
    (folder / "config.json").write_text("{", encoding="utf-8")
    refused(folder, "is not valid JSON")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('{"model_type": "no-such-family"}', "cannot be used by transformers"),
        ('{"hidden_size": 32}', "lacks 'model_type'"),
        ('{"model_type": "wavlm", "hidden_size": "many"}', r'hidden_size is "many", expected a whole number'),
        ('{"model_type": "mine", "auto_map": {"AutoConfig": "mine.Config"}}', "cannot be used by transformers"),
    ],
)
def test_a_configuration_of_nothing_known_is_refused(text, match, save_tiny) -> None:
    folder = save_tiny("WavLM")
    (folder / "config.json").write_text(text, encoding="utf-8")
    refused(folder, match)


@pytest.mark.parametrize(
    ("config", "match"),
    [
        (transformers.BertConfig(), f"type 'bert', which does not read waveforms; {NOT_WAVEFORMS}"),
        (transformers.Wav2Vec2BertConfig(), f"'wav2vec2-bert', which does not read waveforms; {NOT_WAVEFORMS}"),
        (transformers.SEWConfig(), f"'sew', whose hidden states are not one vector per frame; {NOT_WAVEFORMS}"),
        (transformers.SEWDConfig(), f"'sew-d', whose hidden states are not one vector per frame; {NOT_WAVEFORMS}"),
        (transformers.SpeechT5Config(), "'speecht5', whose hidden states are not one vector per frame"),
        (transformers.Wav2Vec2Config(add_adapter=True), "'wav2vec2' with an adapter behind it"),
    ],
    ids=lambda value: getattr(value, "model_type", ""),
)
def test_families_that_would_run_wrongly_are_refused(config, match, tmp_path) -> None:
    refused(config_only(tmp_path / "other", config), match)


def test_a_preprocessor_configuration_that_is_none_is_refused(save_tiny) -> None:
    folder = save_tiny("WavLM")
    (folder / "preprocessor_config.json").write_text("[]", encoding="utf-8")
    refused(folder, r"preprocessor_config.json: it is \[\], expected an object")
