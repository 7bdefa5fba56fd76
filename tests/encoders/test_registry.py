"""Encoders by name, file, folder or hub id."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
import transformers

from ravfeat.encoders import registry
from ravfeat.encoders.registry import ENCODERS, Pretrained, describe_encoder, load_encoder, stream_of
from ravfeat.errors import EncoderError, UsageError
from ravfeat.faces.source import FaceOptions
from tests.toynets import write_net, write_settings

VIT = transformers.ViTConfig(
    hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=32, patch_size=16
)
CROPPED = FaceOptions(cropped=True)


@pytest.fixture
def vit(tmp_path):
    transformers.ViTModel(VIT).save_pretrained(tmp_path / "my-vit")
    transformers.ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(tmp_path / "my-vit")
    return tmp_path / "my-vit"


@pytest.fixture
def net(tmp_path):
    write_settings(tmp_path / "toy.onnx", "embedding = 'features'\nmargin = 1.25\nname = 'mine'")
    return write_net(tmp_path / "toy.onnx")


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
        # No commits of the two image models are known to us.
        if isinstance(known, Pretrained) and name not in {"facial-emotions", "mobilenet-v2"}:
            assert re.fullmatch(r"[0-9a-f]{40}", str(known.revision)), name


def test_the_published_pair_of_face_encoders_is_there_and_the_landmarks() -> None:
    assert ENCODERS["facial-emotions"].repository == "dima806/facial_emotions_image_detection"
    assert ENCODERS["mobilenet-v2"].repository == "google/mobilenet_v2_1.0_224"
    faces = {"facial-emotions", "mobilenet-v2", "landmarks", "face-geometry"}
    assert {name for name in ENCODERS if stream_of(name) == "face"} == faces


def test_logmel_needs_no_weights() -> None:
    assert load_encoder("logmel", "cpu").spec.weights == "none"


@pytest.mark.parametrize("which", ["wavlm", "", "wavlm large"])
def test_an_unknown_name_lists_the_choices(which) -> None:
    choices = (
        r"no encoder '.*'; choose from compare, .*egemaps, .*hubert-base, .*wavlm-large.*\(audio\), face-geometry,"
        r" facial-emotions, .*\(face\), or give a"
    )
    with pytest.raises(EncoderError, match=choices):
        load_encoder(which, "cpu")
    with pytest.raises(EncoderError, match=choices):
        stream_of(which)


@pytest.mark.parametrize(
    "which", ["no/such/thing", "./nowhere", "../up", "/nowhere/at/all", "~nobody/x", "a b/c", "x/"]
)
def test_a_path_that_is_not_there_is_not_taken_for_a_name(which) -> None:
    for find in (load_encoder, stream_of):
        with pytest.raises(EncoderError, match="does not exist; expected a folder as save_pretrained writes it, or an"):
            find(which)


def test_a_file_that_is_no_net_is_said_to_be_one(tmp_path) -> None:
    (tmp_path / "model.safetensors").touch()
    for find in (load_encoder, stream_of):
        with pytest.raises(EncoderError, match=r"model\.safetensors is a file, and not an ONNX net"):
            find(str(tmp_path / "model.safetensors"))


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

    def fetch(repository, revision, **_):
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

    def fetch(repository, revision, **_):
        asked.append((repository, revision))
        raise EncoderError("no network in tests")

    monkeypatch.setattr("ravfeat.encoders.weights.fetch_weights", fetch)
    with pytest.raises(EncoderError, match="no network in tests"):
        load_encoder(which, "cpu")
    assert asked == [asked_for]


def test_a_device_that_is_not_there_is_refused_before_anything_is_loaded(save_tiny) -> None:
    with pytest.raises((EncoderError, UsageError), match="no device 'tpu'; choose from auto, cpu, cuda, cuda:N"):
        load_encoder("wavlm-large", "tpu")


# --- faces


def test_a_folder_is_of_the_stream_that_its_model_reads(vit, save_tiny) -> None:
    assert stream_of(str(vit)) == "face"
    assert stream_of(str(save_tiny("WavLM"))) == "audio"


@pytest.mark.parametrize("which", ["landmarks", "facial-emotions", "nets/any.onnx", "nets/any.toml"])
def test_names_and_nets_tell_their_stream_without_being_there(which) -> None:
    assert stream_of(which) == "face"


@pytest.mark.parametrize(("model_type", "stream"), [("vit", "face"), ("wavlm", "audio")])
def test_of_a_hub_id_the_configuration_tells_the_stream(model_type, stream, monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(
        "ravfeat.encoders.weights.fetch_config",
        lambda repository, revision: asked.append((repository, revision)) or {"model_type": model_type},
    )
    assert stream_of("me/mine@v1.0") == stream
    assert asked == [("me/mine", "v1.0")]


def test_an_image_model_gets_the_users_boxes_and_margin(vit) -> None:
    spec = load_encoder(str(vit), "cpu", faces=FaceOptions(cropped=True, margin=1.5, fps=10.0)).spec
    assert (spec.name, spec.stream, spec.frame_rate_hz) == ("my-vit", "face", 10.0)
    boxes = FaceOptions(cropped=True, fps=10.0)
    assert spec.preprocessing[:2] == boxes.source(boxes=True, meshes=False).crop_steps
    assert "margin 1.5," in spec.preprocessing[2]


def test_an_image_model_crops_to_the_box_by_default(vit) -> None:
    spec = load_encoder(str(vit), "cpu", faces=CROPPED).spec
    assert "margin 1, 32 px" in spec.preprocessing[2]
    assert spec.frame_rate_hz == 30.0


@pytest.mark.parametrize("suffix", [".onnx", ".toml"])
def test_a_net_is_loaded_by_its_file_or_that_of_its_settings(suffix, net) -> None:
    spec = load_encoder(str(net.with_suffix(suffix)), "cpu", faces=CROPPED).spec
    assert (spec.name, spec.stream) == ("mine", "face")
    assert any("margin 1.25," in step for step in spec.preprocessing)
    spec = load_encoder(str(net), "cpu", faces=FaceOptions(cropped=True, margin=2.0)).spec
    assert any("margin 2," in step for step in spec.preprocessing)


@pytest.mark.parametrize("suffix", [".onnx", ".toml"])
def test_a_net_that_is_not_there_is_refused(suffix, tmp_path) -> None:
    with pytest.raises(EncoderError, match=f"none{suffix} is not there; expected an ONNX net"):
        load_encoder(str(tmp_path / f"none{suffix}"), "cpu", faces=CROPPED)


def test_a_net_is_loaded_without_torch(net) -> None:
    code = (
        "import sys\nfrom ravfeat.encoders.registry import load_encoder, stream_of\n"
        "from ravfeat.faces.source import FaceOptions\n"
        f"stream_of({str(net)!r}), load_encoder({str(net)!r}, faces=FaceOptions(cropped=True))\n"
        "print({'torch', 'transformers'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


@pytest.mark.shared
@pytest.mark.parametrize("name", ["landmarks", "face-geometry"])
def test_landmarks_are_those_of_the_landmarker_that_the_options_name_and_need_no_torch(name, shared) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom ravfeat.encoders.registry import load_encoder\n"
        "from ravfeat.faces.source import FaceOptions\n"
        f"spec = load_encoder({name!r}, faces=FaceOptions(models=(Path({str(shared / 'models/face')!r}),))).spec\n"
        "print(spec.weights, {'torch', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff set()\n"


def in_a_home_with(config: str, folder, which: str) -> subprocess.CompletedProcess[str]:
    """Ask for a stream offline, where the hub's client has stored a configuration and nothing else."""
    revision = "0" * 40
    stored = folder / "hub" / "models--me--mine"
    for part, text in (("refs/main", revision), (f"snapshots/{revision}/config.json", config)):
        (stored / part).parent.mkdir(parents=True, exist_ok=True)
        (stored / part).write_text(text, encoding="utf-8")
    code = (
        "import sys\nfrom ravfeat.encoders.registry import stream_of\nfrom ravfeat.errors import EncoderError\n"
        f"try: print(stream_of({which!r}))\nexcept EncoderError as error: sys.exit(str(error))"
    )
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    return subprocess.run(
        [sys.executable, "-c", code], env=kept | {"HF_HOME": str(folder), "HF_HUB_OFFLINE": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_configuration_of_a_hub_id_is_enough_to_tell_its_stream(tmp_path) -> None:
    done = in_a_home_with('{"model_type": "vit"}', tmp_path, "me/mine")
    assert (done.returncode, done.stdout) == (0, "face\n"), done.stderr


def test_the_stream_of_a_hub_id_that_cannot_be_had_is_refused_with_a_remedy(tmp_path) -> None:
    done = in_a_home_with("{}", tmp_path, "me/other")
    assert done.returncode == 1
    assert "'me/other' is neither on this machine nor reachable on the Hugging Face hub" in done.stderr


@pytest.mark.parametrize(
    ("family", "kind", "settings"),
    [
        ("WavLM", "Model", {}),
        ("Hubert", "Model", {"num_hidden_layers": 3}),
        (
            "Whisper",
            "Model",
            {
                "d_model": 32,
                "encoder_layers": 2,
                "decoder_layers": 1,
                "encoder_attention_heads": 2,
                "decoder_attention_heads": 2,
            },
        ),
    ],
)
def test_a_described_encoder_is_the_loaded_one_without_its_net(save_tiny, family, kind, settings) -> None:
    folder = str(save_tiny(family, kind, **settings))
    described, loaded = describe_encoder(folder), load_encoder(folder, "cpu")
    assert replace(described.spec, source={}) == replace(loaded.spec, source={})
    assert described.batching == loaded.batching
    assert not hasattr(described.model if family == "Whisper" else described._model, "parameters")


def test_an_encoder_without_a_net_is_described_by_loading_it() -> None:
    assert describe_encoder("logmel").spec == load_encoder("logmel").spec
