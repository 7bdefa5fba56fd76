"""What a model folder's JSON files may say: settings of the right type and of a size that a model can have."""

import json
import os
from pathlib import Path

import pytest

from ravfeat.encoders.model_documents import only_settings, read_config, read_preprocessors
from ravfeat.encoders.registry import load_encoder
from ravfeat.errors import EncoderError

STABLE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab\nsize 12345\n"


def change(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes), encoding="utf-8")


def refused(folder: Path, match: str) -> None:
    with pytest.raises(EncoderError, match=match) as error:
        load_encoder(str(folder), "cpu")
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"model_type": 3}, "model_type is 3, expected text"),
        ({"model_type": ["wavlm"]}, "model_type is .*expected text"),
        ({"num_hidden_layers": 10_000_000}, "num_hidden_layers is 10000000, expected less than or equal to 1000"),
        ({"num_hidden_layers": -1}, "num_hidden_layers is -1, expected greater"),
        ({"num_layers": 10_000_000}, "num_layers is 10000000, expected at most 1000"),
        ({"vision_config": {"depths": [2, 10_000]}}, "vision_config: depths is 10000, expected at most 1000"),
        ({"hidden_size": 0}, "hidden_size is 0"),
        ({"hidden_size": 10**15}, "hidden_size is 1000000000000000, expected less"),
        ({"hidden_size": True}, "hidden_size is true, expected a whole number"),
        ({"intermediate_size": 10**12}, "intermediate_size is 1000000000000, expected at most"),
        ({"hidden_dropout": 10}, "hidden_dropout is 10, expected a share from 0 to 1"),
        ({"layerdrop": -0.5}, "layerdrop is -0.5"),
        ({"conv_stride": [5, 2, 2, 2, 2, 2, 0]}, r"conv_stride\[6\] is 0"),
        ({"conv_stride": "ab"}, 'conv_stride is "ab", expected a list'),
        ({"conv_kernel": [-1] * 7}, r"conv_kernel\[0\] is -1"),
        ({"conv_kernel": []}, r"conv_kernel is \[\]"),
        ({"layer_norm_eps": float("nan")}, "layer_norm_eps is NaN, expected a number"),
        ({"layer_norm_eps": float("inf")}, "layer_norm_eps is Infinity"),
        ({"configuration_files": ["config.4.0.0.json"]}, "names further files"),
        ({"transformers_weights": "other.safetensors"}, "names further files"),
        ({"attn_implementation": "somebody/kernel"}, "names the kernel 'somebody/kernel'"),
        ({"_attn_implementation": "somebody/kernel"}, "names the kernel"),
        ({"quantization_config": {"quant_method": "fp8"}}, "has the key 'quantization_config'"),
    ],
    ids=str,
)
def test_a_configuration_of_no_possible_model_is_refused_before_it_is_built(changes, match, save_tiny) -> None:
    folder = save_tiny("WavLM", **STABLE)
    change(folder / "config.json", **changes)
    refused(folder, match)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (b"{", "is not valid JSON"),
        (b"\xff\xfe", "is not valid JSON"),
        (b"null", "it is null, expected an object"),
        (b'{"model_type": "wavlm", "a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"model_type": "wavlm", "a": ' + b"9" * 5_000 + b"}", "is not valid JSON"),
        (b'{"model_type": "wavlm", "a": "\\ud800"}', "expected Unicode text"),
        (LFS_POINTER, "is a Git LFS pointer, not the model's settings"),
        (b"<html>", "is a web page, not the model's settings"),
    ],
)
@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "processor_config.json"])
def test_a_file_that_holds_no_settings_is_named(name, text, match, save_tiny) -> None:
    folder = save_tiny("WavLM", **STABLE)
    (folder / name).write_bytes(text)
    refused(folder, rf"{name}.* {match}")


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "processor_config.json"])
def test_pipes_and_devices_are_no_settings(name, save_tiny) -> None:
    folder = save_tiny("WavLM", **STABLE)
    path = folder / name
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero")):
        path.unlink(missing_ok=True)
        make(path)
        refused(folder, rf"{name} is not a regular file")


def test_a_configuration_of_gigabytes_is_not_read(save_tiny) -> None:
    folder = save_tiny("WavLM", **STABLE)
    with (folder / "config.json").open("ab") as file:
        file.truncate(3 << 30)
    refused(folder, "config.json has 3221225472 bytes, expected at most 16777216")


def test_numbers_that_name_tokens_may_be_large(tmp_path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "x", "eos_token_id": 9999999, "rope_theta": 1e6}')
    assert read_config(tmp_path / "config.json")["eos_token_id"] == 9999999


def test_an_adapter_beside_a_model_is_not_passed_over(save_tiny) -> None:
    folder = save_tiny("WavLM", **STABLE)
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "/elsewhere"}')
    refused(folder, r"holds an adapter \(adapter_config.json\), which is not applied")


def test_both_places_of_a_preprocessor_are_read_and_the_first_name_counts(tmp_path) -> None:
    (tmp_path / "preprocessor_config.json").write_text('{"a": 1}')
    (tmp_path / "processor_config.json").write_text('{"audio_processor": {"a": 2}, "image_processor": {"a": 3}}')
    settings = read_preprocessors(tmp_path, "feature_extractor", "audio_processor")
    assert list(settings.values()) == [{"a": 1}, {"a": 2}]
    assert [where.rpartition("/")[2] for where in settings] == [
        "preprocessor_config.json", "processor_config.json, audio_processor",
    ]  # fmt: skip
    assert only_settings({"here": 1, "there": 1}) == 1
    with pytest.raises(EncoderError, match=r"here and there contradict each other \(1 and 2\); delete the wrong one"):
        only_settings({"here": 1, "there": 2})


@pytest.mark.parametrize("value", ["3", "[]", '"text"', "true"])
def test_a_preprocessor_that_is_no_object_is_refused(value, tmp_path) -> None:
    (tmp_path / "processor_config.json").write_text(f'{{"feature_extractor": {value}}}')
    with pytest.raises(EncoderError, match=r"processor_config.json, feature_extractor: it is .*, expected an object"):
        read_preprocessors(tmp_path, "feature_extractor")
