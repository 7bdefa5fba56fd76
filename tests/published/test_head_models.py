"""The encoders of a head: what it recorded, what the user names, the right digests, and no needless connection."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ravfeat.cache.format import fingerprint
from ravfeat.encoders.base import Encoder
from ravfeat.encoders.registry import load_encoder
from ravfeat.errors import EncoderError, MissingExtraError, UsageError
from ravfeat.faces.models import BLAZE_FACE, ModelFile
from ravfeat.faces.source import FaceOptions, FaceSource
from ravfeat.features.clips import Reading
from ravfeat.media.waveform_source import WaveformSource
from ravfeat.predictions import System
from ravfeat.published.format import HeadFolder
from ravfeat.published.head import PublishedHead
from ravfeat.published.head_models import HeadModels, load_head_models
from ravfeat.published.parts import Learned, Need, PublishedSystem
from tests.encoders.conftest import save_whole, tiny_model
from tests.tinyfaces import write_net
from tests.toyhub import REPOSITORY, REVISION, Hub, serve_model, use_hub

CONNECT, LOOK_UP = socket.socket.connect, socket.getaddrinfo
STABLE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No connection, no look-up of a name, and no model of this machine's user."""

    def refuse(*address: object) -> None:
        raise AssertionError(f"a connection to {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))


@pytest.fixture(scope="module")
def wavlm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A WavLM of random weights. Read only."""
    return save_whole(tiny_model("WavLM", **STABLE), tmp_path_factory.mktemp("models") / "tiny-wavlm")


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
    document: Any = {}
    folder = HeadFolder(Path("heads/mine"), {}, document)
    return PublishedHead(folder, ("angry", "sad"), tuple(parts), learned, {}, {0: ()})


def encoders_of(models: HeadModels) -> dict[str, Encoder[Any]]:
    return {name: encoder for group in models.groups for name, encoder in group.encoders.items()}


def test_an_encoder_without_weights_is_made_and_reads_whole_recordings() -> None:
    need = need_of(load_encoder("logmel"), view="gain-1:seed0")
    (group,) = load_head_models(head_of(need), offline=True).groups
    assert (group.stream, group.source) == ("audio", WaveformSource())
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


# --- from the hub


@pytest.fixture
def hub(wavlm, monkeypatch, tmp_path) -> Iterator[Hub]:
    """A hub on this machine, the only address that may be connected to."""

    def only_here(self: socket.socket, address: Any) -> None:
        assert address[0] in ("127.0.0.1", "::1"), f"a connection to {address}"
        CONNECT(self, address)

    def look_up(host: str, *more: Any, **options: Any) -> Any:
        assert host in ("127.0.0.1", "localhost"), f"a look-up of {host}"
        return LOOK_UP(host, *more, **options)

    monkeypatch.setattr(socket.socket, "connect", only_here)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with serve_model(wavlm) as state:
        use_hub(monkeypatch, state.url, tmp_path / "hub")
        yield state


def on_the_hub(wavlm: Path) -> Need:
    """What a head records of a model that was fetched from there."""
    need = need_of(load_encoder(str(wavlm), "cpu"))
    assert need.model is not None
    return replace(need, model={**need.model, "repository": REPOSITORY, "revision": REVISION})


def test_what_the_head_recorded_is_fetched_at_its_commit_once_and_then_asked_for_no_more(hub, wavlm) -> None:
    head = head_of(on_the_hub(wavlm))
    (first,) = encoders_of(load_head_models(head, device="cpu")).values()
    assert (first.spec.source["repository"], first.spec.source["revision"]) == (REPOSITORY, REVISION)
    assert first.spec.source["licence"] == "mit"
    asked = list(hub.requests)
    assert "model.safetensors" in hub.fetched
    for offline in (False, True):
        load_head_models(head, device="cpu", offline=offline)
    assert hub.requests == asked


def test_offline_a_missing_model_is_named_and_nobody_asked(hub, wavlm) -> None:
    need = on_the_hub(wavlm)
    with pytest.raises(EncoderError) as refusal:
        load_head_models(head_of(need), device="cpu", offline=True)
    for text in (
        f"'tiny-wavlm' (weights {need.identity['weights']}, {REPOSITORY} at {REVISION})",
        f"hf download {REPOSITORY} --revision {REVISION} --local-dir FOLDER",
        "--model tiny-wavlm=FOLDER",
    ):
        assert text in str(refusal.value)
    assert "--encoder" not in str(refusal.value)
    assert not hub.requests


def test_a_head_of_before_finds_encoders_of_ours_by_their_name(hub, wavlm) -> None:
    need = replace(on_the_hub(wavlm), encoder="hubert-base", model=None)
    with pytest.raises(
        EncoderError, match=r"'hubert-base' \(weights .*'facebook/hubert-base-ls960' is neither on this"
    ):
        load_head_models(head_of(need), device="cpu", offline=True)
    assert not hub.requests


def test_a_pickle_is_loaded_only_of_models_that_the_user_names(hub, wavlm, tmp_path) -> None:
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(wavlm / "model.safetensors"), tmp_path / "weights.bin")
    hub.repository(REPOSITORY).files["pytorch_model.bin"] = (tmp_path / "weights.bin").read_bytes()
    del hub.repository(REPOSITORY).files["model.safetensors"]
    name = f"{REPOSITORY}@{REVISION}"
    fetched = load_encoder(name, "cpu")
    need = need_of(fetched)
    with pytest.raises(
        EncoderError, match="holds no safetensors file, and other weights are loaded only of models that"
    ):
        load_head_models(head_of(need), device="cpu")
    (loaded,) = encoders_of(load_head_models(head_of(need), device="cpu", models={need.encoder: name})).values()
    assert loaded.spec.identity() == fetched.spec.identity()


# --- faces


@pytest.fixture(scope="module")
def face_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that pass for models of MediaPipe until they are run. Read only."""
    folder = tmp_path_factory.mktemp("faces")
    for name in ("one.tflite", "two.tflite", "one.task"):
        (folder / name).write_bytes(f"the model {name}".encode())
    return folder


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ONNX net with its settings beside it. Read only."""
    return write_net(tmp_path_factory.mktemp("nets") / "toy.onnx")


def faces_need(name: str | Path, models: Path | None = None, **options: Any) -> Need:
    given = () if models is None else (models / "one.task", models / options.pop("detector", "one.tflite"))
    return need_of(load_encoder(str(name), "cpu", faces=FaceOptions(models=given, **options)))


def test_encoders_of_the_same_pictures_share_a_source_that_finds_boxes_and_landmarks(net, face_models) -> None:
    pytest.importorskip("mediapipe")
    crops, wide = (faces_need(net, face_models, fps=5, margin=margin) for margin in (1.0, 1.5))
    meshes, slow = (faces_need("landmarks", face_models, fps=fps) for fps in (5, 1))
    geometry = faces_need("face-geometry", face_models, fps=5)
    other, whole = faces_need(net, face_models, fps=5, detector="two.tflite"), faces_need(net, fps=5, cropped=True)
    head = head_of(need_of(load_encoder("logmel")), meshes, geometry, crops, wide, slow, other, whole)
    voice, *groups = load_head_models(
        head, device="cpu", models={"tiny": str(net)}, detector_models=[face_models]
    ).groups
    assert voice.stream == "audio"
    said = [(group.source.fps, group.source.detector, group.source.landmarker) for group in groups]
    names = [(fps, *(model and model.name for model in models)) for fps, *models in said]
    assert names == [
        (5.0, "one.tflite", "one.task"),
        (1.0, None, "one.task"),
        (5.0, "two.tflite", None),
        (5.0, None, None),
    ]
    assert [set(group.encoders) for group in groups] == [
        {meshes.fingerprint, geometry.fingerprint, crops.fingerprint, wide.fingerprint},
        {slow.fingerprint},
        {other.fingerprint},
        {whole.fingerprint},
    ]


def test_a_detector_of_another_digest_is_named_beside_the_one_that_is_wanted(face_models, tmp_path) -> None:
    pytest.importorskip("mediapipe")
    need = faces_need("landmarks", face_models)
    wanted = need.identity["weights"][:12]
    other = tmp_path / "two.task"
    other.write_bytes(b"another model")
    with pytest.raises(
        EncoderError, match=rf"{wanted}… is not on this machine; {other} has the SHA-256 [0-9a-f]{{64}};"
    ):
        load_head_models(head_of(need), detector_models=[other])


def test_a_published_detector_is_not_fetched_offline(net, tmp_path) -> None:
    need = faces_need(net, cropped=True)
    found = FaceSource(detector=ModelFile(Path("x"), BLAZE_FACE.sha256, "x")).crop_steps
    need = replace(need, identity={**need.identity, "preprocessing": [*found, *need.identity["preprocessing"][2:]]})
    place = tmp_path / "user/ravfeat/models/blaze_face_short_range.tflite"
    with pytest.raises(
        EncoderError, match=rf"nothing is to be fetched\. Put that file .* at {place}, or anywhere else"
    ):
        load_head_models(head_of(need), models={"tiny": str(net)}, offline=True)


def test_a_model_of_another_kind_fetches_nothing_offline_either(net, face_models) -> None:
    pytest.importorskip("mediapipe")
    for need in (faces_need(net, face_models), need_of(load_encoder("logmel"))):
        with pytest.raises(EncoderError, match="is not on this machine, and nothing is to be fetched"):
            load_head_models(
                head_of(need),
                models={need.encoder: "landmarks"},
                detector_models=[face_models],
                device="cpu",
                offline=True,
            )


def test_a_package_that_is_missing_is_named_with_its_extra(face_models, monkeypatch) -> None:
    pytest.importorskip("mediapipe")
    need = faces_need("landmarks", face_models)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"needs the package 'mediapipe': pip install 'ravfeat\[face\]'"):
        load_head_models(head_of(need), detector_models=[face_models])


def test_one_recorded_at_another_address_is_never_fetched(face_models) -> None:
    pytest.importorskip("mediapipe")
    need = faces_need("landmarks", face_models)
    assert need.model is not None
    url = "http://192.0.2.1/one.task"
    model = {"name": "one.task", "url": url, "sha256": need.identity["weights"]}
    need = replace(need, model={**need.model, "faces": {"cropped": False, "landmarker": model}})
    with pytest.raises(EncoderError, match="is not on this machine; name it: --detector-model PATH"):
        load_head_models(head_of(need))


# --- real models


def test_real_models_of_voice_and_face_are_loaded_from_what_a_head_records(shared) -> None:
    models = shared / "models/face"
    whisper = shared / "models/whisper-tiny-en-encoder"
    needs = [
        need_of(load_encoder(str(whisper), "cpu")),
        *(need_of(load_encoder(name, "cpu", faces=FaceOptions(models=(models,), fps=15)))
          for name in (str(models / "fer_mini_xception.onnx"), "landmarks")),
    ]  # fmt: skip
    named = {needs[0].encoder: str(whisper), needs[1].encoder: str(models / "fer_mini_xception.onnx")}
    voice, face = load_head_models(
        head_of(*needs), device="cpu", models=named, detector_models=[models], offline=True
    ).groups
    assert list(voice.encoders) == [needs[0].fingerprint]
    assert list(face.encoders) == [needs[1].fingerprint, needs[2].fingerprint]
    assert face.source.landmarker is not None
    assert face.source.detector is not None
