"""What an encoder says of where it came from, and how its licence is read."""

from dataclasses import replace

import pytest

from ravfeat.encoders.onnx_sidecar import recorded_settings
from ravfeat.encoders.origin import card_licence
from ravfeat.encoders.registry import load_encoder
from ravfeat.errors import EncoderError
from ravfeat.faces.models import FACE_LANDMARKER
from ravfeat.faces.source import FaceOptions
from ravfeat.files import sha256_of
from tests.toynets import write_net, write_settings


def test_a_folder_gives_the_digests_of_its_files_and_the_licence_of_its_card(save_tiny) -> None:
    folder = save_tiny("WavLM", name="mine")
    (folder / "README.md").write_text("---\nlanguage: en\nlicense: mit\n---\n# WavLM\nlicense: none\n")
    origin = load_encoder(str(folder), "cpu").spec.source
    names = ("config.json", "model.safetensors", "preprocessor_config.json")
    assert origin == {
        "kind": "transformers",
        "name": "mine",
        "licence": "mit",
        "files": {name: sha256_of(folder / name) for name in names},
    }


def test_a_net_can_be_loaded_again_from_its_file_and_what_was_recorded(tmp_path) -> None:
    (tmp_path / "alone").mkdir()
    write_settings(tmp_path / "toy.onnx", "embedding = 'features'\nmargin = 1.25\nname = 'mine'\nlicence = 'MIT'")
    net, alone = write_net(tmp_path / "toy.onnx"), write_net(tmp_path / "alone" / "other-name.onnx")
    faces = FaceOptions(cropped=True, fps=5)
    origin = load_encoder(str(net), "cpu", faces=faces).spec.source
    assert (origin["kind"], origin["name"], origin["licence"]) == ("onnx", "mine", "MIT")
    assert origin["files"] == {"toy.onnx": sha256_of(net)}
    assert origin["faces"] == {"cropped": True, "fps": 5.0, "margin": 1.25}
    with pytest.raises(EncoderError, match=r"has no other-name\.toml beside it"):
        load_encoder(str(alone), "cpu", faces=faces)
    settings = recorded_settings(origin["settings"], alone)
    assert settings.table == origin["settings"]
    assert settings == replace(recorded_settings(origin["settings"], net), model=alone, source=settings.source)


def test_a_published_model_file_has_its_address_and_licence_and_another_only_its_digest(shared, tmp_path) -> None:
    pytest.importorskip("mediapipe")
    (tmp_path / "mine.task").write_bytes(b"mine")
    origin = load_encoder("landmarks", faces=FaceOptions(models=(tmp_path,))).spec.source
    model = {"name": "mine.task", "sha256": sha256_of(tmp_path / "mine.task")}
    assert origin == {"kind": "landmarks", "name": "landmarks", "faces": {"cropped": False, "landmarker": model}}
    geometry = load_encoder("face-geometry", faces=FaceOptions(models=(tmp_path,))).spec.source
    assert geometry == origin | {"kind": "face-geometry", "name": "face-geometry"}
    published = load_encoder("landmarks", faces=FaceOptions(models=(shared / "models/face",))).spec.source
    assert published["licence"] == FACE_LANDMARKER.licence
    assert published["faces"]["landmarker"] == {
        "name": FACE_LANDMARKER.name,
        "url": FACE_LANDMARKER.url,
        "sha256": FACE_LANDMARKER.sha256,
    }


def test_recorded_settings_are_checked_like_those_beside_a_net(tmp_path) -> None:
    net = write_net(tmp_path / "toy.onnx")
    with pytest.raises(EncoderError, match=r"the recorded settings of toy\.onnx: std is \[1e-320\]"):
        recorded_settings({"colour": "rgb", "std": [1e-320]}, net)
    with pytest.raises(EncoderError, match="has the key 'code', which means nothing"):
        recorded_settings({"colour": "rgb", "divide_by": 1, "code": "x"}, net)
    with pytest.raises(EncoderError, match=r"gone\.onnx is not there"):
        recorded_settings({"colour": "rgb", "divide_by": 1}, tmp_path / "gone.onnx")


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: apache-2.0\n---\n# x", "apache-2.0"),
        ("\ufeff---\r\nlicense: 'mit'\r\n---\r\n", "mit"),
        ("---\nlicense: other\nlicense_name: my-terms\n---\n", "my-terms"),
        ("---\nlicense: other\n---\n", "other"),
        ("---\nlanguage: en\n---\nlicense: mit\n", ""),
        ("# No metadata\nlicense: mit\n", ""),
        ("---\nlicense: mit\n", ""),
        ("---\nlicense: " + "x" * 101 + "\n---\n", ""),
        ("---\nlicense: a\x1b[31mb\n---\n", ""),
        ("", ""),
    ],
)
def test_the_licence_of_a_card_is_read_from_its_metadata_alone(card, licence, tmp_path) -> None:
    (tmp_path / "README.md").write_text(card, encoding="utf-8", newline="")
    assert card_licence(tmp_path / "README.md") == licence
    assert card_licence(tmp_path / "none.md") == ""
