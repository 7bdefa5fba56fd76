"""The encoders of a head: what it recorded, what the user names, the right digests, and no needless connection."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ravfeat.cache.format import fingerprint
from ravfeat.encoders.base import Encoder
from ravfeat.encoders.registry import load_encoder
from ravfeat.errors import EncoderError, UsageError
from ravfeat.faces.source import FaceOptions
from ravfeat.features.clips import Reading
from ravfeat.predictions import System
from ravfeat.published.head import PublishedHead
from ravfeat.published.head_models import HeadModels, load_head_models
from ravfeat.published.parts import Learned, Need, PublishedSystem
from tests.encoders.conftest import save_whole, tiny_model
from tests.tinyfaces import write_net

CROPPED = FaceOptions(cropped=True)
STABLE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No connection, and no model of this machine's user."""

    def refuse(_: object, address: object) -> None:
        raise AssertionError(f"a connection to {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    return


@pytest.fixture(scope="module")
def wavlm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A WavLM of random weights. Read only."""
    return save_whole(tiny_model("WavLM", **STABLE), tmp_path_factory.mktemp("models") / "tiny-wavlm")


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ONNX net with its settings beside it. Read only."""
    return write_net(tmp_path_factory.mktemp("nets") / "toy.onnx")


def need_of(encoder: Encoder[Any], **further: Any) -> Need:
    """What a head records of an encoder's cache."""
    identity = {**encoder.spec.identity(), "layers": [0], "store": "frames", "view": "clean", **further}
    return Need(encoder.spec.name, fingerprint(identity), identity, "0" * 64, None, encoder.spec.source)


def head_of(*needs: Need | tuple[Need, ...]) -> PublishedHead:
    """A head with one system for each need, or for several that are concatenated."""
    parts = []
    for number, entry in enumerate(needs):
        of_system = entry if isinstance(entry, tuple) else (entry,)
        stream = of_system[0].identity["stream"]
        system = System(stream, f"{number}-{of_system[0].encoder}", "logreg")
        parts.append(PublishedSystem(system, (0,), Reading(1, ("mean",)), of_system))
    learned = {0: Learned((1.0,) * len(parts))}
    return PublishedHead(Path("heads/mine"), ("angry", "sad"), tuple(parts), learned, {}, {0: ()}, {})


def encoders_of(models: HeadModels) -> dict[str, Encoder[Any]]:
    return {name: encoder for group in models.groups for name, encoder in group.encoders.items()}


def test_an_encoder_without_weights_is_made_and_reads_whole_recordings() -> None:
    need = need_of(load_encoder("logmel"), view="gain-1:seed0")
    (group,) = load_head_models(head_of(need), offline=True).groups
    assert (group.stream, group.source.view) == ("audio", "clean")
    assert group.encoders[need.fingerprint].spec.identity() == load_encoder("logmel").spec.identity()


def test_caches_of_one_encoder_share_it_and_are_told_apart_by_their_fingerprint(wavlm) -> None:
    encoder = load_encoder(str(wavlm), "cpu")
    frames, pooled = need_of(encoder), need_of(encoder, store="pooled")
    models = load_head_models(
        head_of(frames, (pooled, need_of(load_encoder("logmel")))), models={"tiny-wavlm": str(wavlm)}
    )
    (group,) = models.groups
    assert len(group.encoders) == 3
    assert group.encoders[frames.fingerprint] is group.encoders[pooled.fingerprint]


def test_a_folder_that_is_named_stands_for_what_the_head_does_not_know_where_to_find(wavlm) -> None:
    encoder = load_encoder(str(wavlm), "cpu")
    need = need_of(encoder)
    with pytest.raises(
        EncoderError,
        match=rf"features of 'tiny-wavlm' \(weights {encoder.spec.weights}\): .* --model tiny-wavlm=FOLDER",
    ):
        load_head_models(head_of(need), device="cpu")
    (loaded,) = encoders_of(load_head_models(head_of(need), device="cpu", models={"tiny-wavlm": str(wavlm)})).values()
    assert loaded.spec == encoder.spec


def test_other_weights_are_refused_before_they_are_loaded(wavlm, tmp_path) -> None:
    need = need_of(load_encoder(str(wavlm), "cpu"))
    (tmp_path / "other").mkdir()
    for path in wavlm.iterdir():
        (tmp_path / "other" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "other" / "model.safetensors").write_bytes(b"no weights at all")
    weights = need.identity["weights"]
    with pytest.raises(EncoderError, match=rf"other holds a model with the digest [0-9a-f]{{64}}, expected {weights}"):
        load_head_models(head_of(need), device="cpu", models={"tiny-wavlm": str(tmp_path / "other")})


def test_a_model_that_makes_its_input_in_another_way_is_refused(wavlm, tmp_path) -> None:
    need = need_of(load_encoder(str(wavlm), "cpu"))
    other = save_whole(tiny_model("WavLM", **STABLE), tmp_path / "other")
    settings = other / "preprocessor_config.json"
    settings.write_text(settings.read_text().replace('"do_normalize": true', '"do_normalize": false'))
    with pytest.raises(EncoderError, match="step 3 is samples as they are/1, expected zero mean, unit variance"):
        load_head_models(head_of(need), device="cpu", models={"tiny-wavlm": str(other)})


def test_a_name_that_the_head_does_not_read_is_refused_as_is_a_system_that_it_does_not_have() -> None:
    head = head_of(need_of(load_encoder("logmel")))
    with pytest.raises(UsageError, match="heads/mine reads no features of 'wavlm'; name one of logmel"):
        load_head_models(head, models={"wavlm": "folder"})
    with pytest.raises(UsageError, match="heads/mine has no system 'face / x / logreg'; choose from audio / 0-logmel"):
        load_head_models(head, systems=[System("face", "x", "logreg")])


def test_only_what_the_asked_systems_read_is_loaded(wavlm) -> None:
    missing = need_of(load_encoder(str(wavlm), "cpu"))
    there = need_of(load_encoder("logmel"))
    head = head_of(missing, there)
    models = load_head_models(head, systems=[head.systems[1]])
    assert list(encoders_of(models)) == [there.fingerprint]
