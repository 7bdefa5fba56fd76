"""Encoders by name, folder or hub id."""

import re
import shutil

import pytest

from ravfeat.encoders import registry
from ravfeat.encoders.registry import ENCODERS, load_encoder
from ravfeat.errors import EncoderError, UsageError


def test_the_names_of_the_issue_are_there_and_pinned_to_commits() -> None:
    assert {
        "wavlm-large",
        "wavlm-base-plus",
        "hubert-base",
        "hubert-large",
        "wav2vec2-base",
        "logmel",
    } <= ENCODERS.keys()
    assert any(name.startswith("whisper-") for name in ENCODERS)
    for name, known in ENCODERS.items():
        if name != "logmel":
            assert re.fullmatch(r"[0-9a-f]{40}", known.revision), name


def test_logmel_needs_no_weights() -> None:
    assert load_encoder("logmel", "cpu").spec.weights == "none"


@pytest.mark.parametrize("which", ["wavlm", "no/such/thing", "./nowhere", "/nowhere/at/all", "", "a b/c"])
def test_an_unknown_name_lists_the_choices(which) -> None:
    with pytest.raises(EncoderError, match=r"no encoder '.*'; choose from hubert-base, .*wavlm-large.*or give a"):
        load_encoder(which, "cpu")


def test_a_folder_is_called_by_its_name(save_tiny, tmp_path, monkeypatch) -> None:
    save_tiny("WavLM", name="my-wavlm")
    monkeypatch.chdir(tmp_path)
    assert load_encoder("my-wavlm", "cpu").spec.name == "my-wavlm"


def test_the_same_weights_under_another_name_are_the_same_encoder(save_tiny, tmp_path) -> None:
    folder = save_tiny("WavLM")
    shutil.copytree(folder, tmp_path / "copy")
    one, two = (load_encoder(str(path), "cpu").spec for path in (folder, tmp_path / "copy"))
    assert one.identity() == two.identity()
    assert one.name != two.name


def test_a_registry_name_means_the_published_weights_even_where_a_folder_has_that_name(
    save_tiny, tmp_path, monkeypatch
) -> None:
    save_tiny("Hubert", name="hubert-base")
    monkeypatch.chdir(tmp_path)
    asked = []

    def fetch(repository, revision):
        asked.append((repository, revision))
        raise EncoderError("no network in tests")

    monkeypatch.setattr("ravfeat.encoders.weights.fetch_weights", fetch)
    with pytest.raises(EncoderError, match="no network in tests"):
        load_encoder("hubert-base", "cpu")
    known = registry.ENCODERS["hubert-base"]
    assert asked == [(known.repository, known.revision)]
    assert load_encoder("./hubert-base", "cpu").spec.name == "hubert-base"


@pytest.mark.parametrize(
    ("which", "asked_for"),
    [("me/mine", ("me/mine", None)), ("me/mine@v1.0", ("me/mine", "v1.0"))],
)
def test_a_hub_id_may_carry_a_revision(which, asked_for, monkeypatch) -> None:
    asked = []

    def fetch(repository, revision):
        asked.append((repository, revision))
        raise EncoderError("no network in tests")

    monkeypatch.setattr("ravfeat.encoders.weights.fetch_weights", fetch)
    with pytest.raises(EncoderError, match="no network in tests"):
        load_encoder(which, "cpu")
    assert asked == [asked_for]


def test_a_device_that_is_not_there_is_refused_before_anything_is_loaded(save_tiny) -> None:
    with pytest.raises((EncoderError, UsageError), match="no device 'tpu'; choose from auto, cpu, cuda, cuda:N"):
        load_encoder("wavlm-large", "tpu")
