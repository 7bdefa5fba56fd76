"""ONNX nets on faces: nets of a few numbers whose features are known, and the real ones."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from ravfeat.encoders.base import EncoderInput
from ravfeat.encoders.onnx import OnnxEncoder, load_onnx_encoder
from ravfeat.encoders.onnx_model import open_onnx_model
from ravfeat.encoders.onnx_sidecar import find_sidecar
from ravfeat.errors import EncoderError, MissingExtraError, UsageError
from ravfeat.faces.base import Faces
from ravfeat.faces.source import FaceOptions
from ravfeat.manifest import Clip
from tests.toyfaces import cropped_faces, faces_of
from tests.toynets import CLASSES, DIM, HEAD, features_of, write_net, write_settings

BOTH = "embedding = 'features'\nlogits = 'scores'"


def load(folder: Path, settings: str = BOTH, *, device: str = "cpu", margin: Any = None, **net: Any) -> OnnxEncoder:
    write_net(folder / "toy.onnx", **net)
    write_settings(folder / "toy.onnx", settings)
    return load_onnx_encoder(folder / "toy.onnx", device, steps=("boxes/1",), margin=margin, frame_rate_hz=30.0)


def noise(n: int, size: int = 16, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), np.uint8)


def pieces(*lengths: int, size: int = 16) -> list[EncoderInput]:
    return [EncoderInput(noise(n, size, seed), np.arange(n) / 25.0) for seed, n in enumerate(lengths)]


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("", lambda rgb: rgb),
        ("colour = 'bgr'", lambda rgb: rgb[:, ::-1]),
        ("divide_by = 255", lambda rgb: rgb / 255),
        ("mean = 127.5\nstd = 127.5", lambda rgb: rgb / 127.5 - 1),
        ("mean = [1, 2, 3]\nstd = [4, 5, 6]", lambda rgb: (rgb - [1, 2, 3]) / [4, 5, 6]),
        ("colour = 'bgr'\ndivide_by = 255\nmean = [1, 2, 3]", lambda rgb: rgb[:, ::-1] / 255 - [1, 2, 3]),
    ],
)
def test_a_face_becomes_the_input_that_the_settings_describe(layout, settings, expected, tmp_path) -> None:
    encoder = load(tmp_path, f"{BOTH}\n{settings}", layout=layout)
    (states,) = encoder.encode([encoder.prepare(cropped_faces(noise(4)))])
    np.testing.assert_allclose(
        states[:, 0], features_of(expected(noise(4).mean(axis=(1, 2)))), rtol=1e-4, atol=1e-4
    )  # fmt: skip


def test_grey_is_the_luma_of_the_picture(tmp_path) -> None:
    encoder = load(tmp_path, f"{BOTH}\ncolour = 'gray'\nmean = 127.5\nstd = 127.5", channels=1)
    (states,) = encoder.encode([encoder.prepare(cropped_faces(noise(4)))])
    luma = noise(4).mean(axis=(1, 2)) @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(states[:, 0], features_of(luma[:, None] / 127.5 - 1), rtol=1e-4, atol=1e-4)


def test_the_spec_says_what_decides_the_features(tmp_path) -> None:
    encoder = load(tmp_path, f"{BOTH}\nname = 'mine'\ndivide_by = 255\nmean = 0.5\nmargin = 1.25")
    spec = encoder.spec
    assert (spec.name, spec.stream, spec.n_layers, spec.dim, spec.frame_rate_hz) == ("mine", "face", 1, DIM, 30.0)
    assert spec.layer_convention == "output 'features'/1"
    assert spec.preprocessing[0] == "boxes/1"
    assert "margin 1.25, 16 px" in spec.preprocessing[1]
    assert spec.preprocessing[2:] == ("rgb, (x / 255 - [0.5 0.5 0.5]) / [1 1 1]/1",)
    assert encoder.needs == {"detector"}
    assert encoder.batching == "pieces"


@pytest.mark.parametrize(
    ("settings", "same"),
    [
        ("name = 'other'", True),
        ("layout = 'nchw'\nmean = [0, 0, 0]", True),
        ("licence = 'MIT'", True),
        ("margin = 1.1", False),
        ("mean = 1", False),
        ("std = 2", False),
        ("divide_by = 2", False),
        ("colour = 'bgr'", False),
    ],
)
def test_the_identity_changes_with_what_changes_numbers_and_with_nothing_else(settings, same, tmp_path) -> None:
    plain = load(tmp_path).spec.identity()
    assert (load(tmp_path, f"{BOTH}\n{settings}").spec.identity() == plain) is same


def test_another_embedding_is_another_encoder(tmp_path) -> None:
    two = (load(tmp_path, f"embedding = '{name}'").spec.identity() for name in ("features", "scores"))
    assert len({one["layer_convention"] for one in two}) == 2


def test_a_margin_that_the_user_gives_goes_before_that_of_the_settings(tmp_path) -> None:
    encoder = load(tmp_path, f"{BOTH}\nmargin = 1.25", margin=1.5)
    assert "margin 1.5," in encoder.spec.preprocessing[1]
    wide, tight = (
        load(tmp_path, margin=margin).prepare(faces_of(2)).values.astype(int) for margin in (1.5, 1.0)
    )  # fmt: skip
    assert np.abs(wide - tight).max() > 10


def test_crops_stay_bytes_until_they_are_encoded_and_keep_what_is_known_of_them(tmp_path) -> None:
    faces = faces_of(5)
    clip = load(tmp_path).prepare(faces)
    assert (clip.values.shape, clip.values.dtype) == ((5, 16, 16, 3), np.uint8)
    np.testing.assert_array_equal(clip.times_s, faces.times_s)
    np.testing.assert_array_equal(clip.columns["box"], faces.boxes)
    np.testing.assert_array_equal(clip.columns["confidence"], faces.confidence)
    np.testing.assert_array_equal(clip.columns["found"], [1, 0, 1, 1, 0])
    assert all(values.dtype == np.float32 for values in clip.columns.values())


@pytest.mark.parametrize("net", [{}, {"batch": 1}, {"batch": 4}, {"trick": "one inside"}, {"trick": "mixes"}])
def test_pieces_together_equal_pictures_alone(net, tmp_path) -> None:
    encoder = load(tmp_path, **net)
    batch = pieces(3, 0, 4, 1)
    together = encoder.encode(batch)
    assert [states.shape for states in together] == [(n, 1, DIM) for n in (3, 0, 4, 1)]
    for states, piece in zip(together, batch, strict=True):
        for row, picture in enumerate(piece.values):
            (alone,) = encoder.encode([EncoderInput(picture[None], np.zeros(1))])
            np.testing.assert_allclose(states[row], alone[0], rtol=1e-5, atol=1e-5)


def test_a_net_that_cannot_but_mix_its_pictures_is_refused(tmp_path) -> None:
    with pytest.raises(EncoderError, match=r"toy.onnx takes 4 pictures at a time and mixes them.*a batch of 1, or a"):
        load(tmp_path, trick="mixes", batch=4)
    load(tmp_path, trick="mixes", batch=1)


def test_a_net_that_needs_more_memory_than_there_is_says_so(tmp_path) -> None:
    with pytest.raises(MemoryError, match=r"toy.onnx needs more memory than there is \(.*llocat"):
        load(tmp_path, "embedding = 'huge'", outputs=["huge"], trick="huge")


def test_provenance_tells_the_device_that_is_used_and_not_the_one_that_is_listed(tmp_path, monkeypatch) -> None:
    real = onnxruntime.InferenceSession
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(
        "onnxruntime.InferenceSession",
        lambda net, options, providers, **_: real(net, options, providers=providers[-1:]),
    )
    assert load(tmp_path, device="auto").provenance()["device"] == "cpu"


def test_only_empty_pieces_give_no_frames(tmp_path) -> None:
    assert [states.shape for states in load(tmp_path).encode(pieces(0, 0))] == [(0, 1, DIM)] * 2


def test_scores_are_the_softmax_of_the_logits(tmp_path) -> None:
    encoder = load(tmp_path, f"{BOTH}\nlabels = ['a', 'b', 'c']\ndivide_by = 255")
    batch = pieces(2, 3)
    means = np.concatenate([piece.values for piece in batch]).mean(axis=(1, 2)) / 255
    powers = np.exp(features_of(means) @ HEAD)
    scores = encoder.scores(batch)
    assert encoder.labels == ("a", "b", "c")
    np.testing.assert_allclose(scores, powers / powers.sum(axis=1, keepdims=True), rtol=1e-4)


def test_scores_of_a_net_without_logits_are_refused(tmp_path) -> None:
    with pytest.raises(EncoderError, match="toy declares no logits; add the key 'logits'"):
        load(tmp_path, "embedding = 'features'").scores(pieces(1))


def test_a_map_is_averaged_over_the_picture(tmp_path) -> None:
    for layout in ("nchw", "nhwc"):
        encoder = load(tmp_path, "embedding = 'map'", outputs=["map"], layout=layout)
        (states,) = encoder.encode([encoder.prepare(cropped_faces(noise(2)))])
        np.testing.assert_allclose(states[:, 0], noise(2).mean(axis=(1, 2)), rtol=1e-5)
        assert encoder.spec.layer_convention == "average of map 'map'/1"


@pytest.mark.parametrize("trick", ["", "mixes"])
def test_a_tensor_inside_the_net_may_be_the_embedding(trick, tmp_path) -> None:
    encoder = load(tmp_path, "embedding = 'means'\nlogits = 'scores'", outputs=["scores"], trick=trick)
    (states,) = encoder.encode([encoder.prepare(cropped_faces(noise(3)))])
    np.testing.assert_allclose(states[:, 0], noise(3).mean(axis=(1, 2)), rtol=1e-5)
    assert encoder.scores(pieces(2)).shape == (2, CLASSES)


def test_the_only_output_besides_the_logits_is_the_embedding(tmp_path) -> None:
    assert load(tmp_path, "logits = 'scores'").spec.layer_convention == "output 'features'/1"
    with pytest.raises(EncoderError, match=r"must say which output of .*toy.onnx is the embedding.*features, scores"):
        load(tmp_path, "")


def test_a_net_of_any_size_takes_the_size_of_the_settings(tmp_path) -> None:
    assert load(tmp_path, f"{BOTH}\nsize = 24", size="side").prepare(faces_of(1)).values.shape == (1, 24, 24, 3)
    with pytest.raises(EncoderError, match=r"must have the key 'size': .*toy.onnx takes pictures of any size"):
        load(tmp_path, size="side")


@pytest.mark.parametrize(
    ("settings", "net", "match"),
    [
        ("embedding = 'feature'", {},
         r"toy.toml names the tensor 'feature', which .*toy.onnx neither gives nor holds; its outputs are feat"),
        ("embedding = 'features'\nlogits = 'logits'", {}, r"names the tensor 'logits', which .* outputs are features"),
        ("size = 32", {}, r"an input of shape \['n', 3, 16, 16\], which does not fit the size: 32 in .*toy.toml"),
        ("colour = 'gray'", {}, r"shape \['n', 3, 16, 16\], which does not fit colour 'gray' \(1 channels\) in"),
        ("layout = 'nhwc'", {}, r"does not fit colour 'rgb' \(3 channels\) and layout nhwc"),
        ("size = 3", {"channels": "c", "size": "side"}, r"must say whether .*toy.onnx is nchw or nhwc: its"),
        ("labels = ['a']", {}, "has 1 labels, the net gives 3 logits"),
        ("", {"trick": "two inputs"}, "toy.onnx has 2 inputs; expected one, for the picture"),
        ("", {"trick": "bytes"}, r"cannot be opened by onnxruntime|reads tensor\(uint8\)"),
    ],
)  # fmt: skip
def test_a_net_that_does_not_fit_its_settings_is_refused(settings, net, match, tmp_path) -> None:
    with pytest.raises(EncoderError, match=match):
        load(tmp_path, settings if "embedding" in settings else f"{BOTH}\n{settings}", **net)


def test_an_output_that_is_no_vector_is_refused(tmp_path) -> None:
    with pytest.raises(EncoderError, match=r"names the tensor 'cube', which has the shape \(1, 4, 192\) for one pict"):
        load(tmp_path, "embedding = 'cube'", outputs=["cube"], trick="cube")


@pytest.mark.parametrize("content", [b"", b"not a net", "half"])
def test_a_file_that_is_no_net_is_refused(content, tmp_path) -> None:
    write_net(tmp_path / "toy.onnx")
    whole = (tmp_path / "toy.onnx").read_bytes()
    (tmp_path / "toy.onnx").write_bytes(whole[: len(whole) // 2] if content == "half" else content)
    write_settings(tmp_path / "toy.onnx", BOTH)
    with pytest.raises(EncoderError, match=r"toy.onnx (cannot be opened by onnxruntime|has 0 inputs|has 0 bytes)"):
        load_onnx_encoder(tmp_path / "toy.onnx", "cpu", steps=(), margin=None, frame_rate_hz=30.0)


def test_a_net_is_opened_and_refused_without_a_word_of_its_own(tmp_path, capfd) -> None:
    load(tmp_path).encode(pieces(2))
    load(tmp_path, trick="one inside").encode(pieces(2))
    with pytest.raises(EncoderError):
        load(tmp_path, "embedding = 'feature'")
    assert capfd.readouterr() == ("", "")


def test_a_device_is_checked(tmp_path) -> None:
    with pytest.raises(UsageError, match="no device 'tpu'; choose from auto, cpu, cuda, cuda:N"):
        load(tmp_path, device="tpu")
    assert load(tmp_path, device="auto").provenance()["onnxruntime"]


def test_cuda_without_a_build_for_it_is_refused_with_a_remedy(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(EncoderError, match=r"device 'cuda' is not there for ONNX nets.*install 'ravfeat.face-gpu"):
        load(tmp_path, device="cuda")


def test_a_missing_onnxruntime_names_the_extra(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"'onnxruntime': pip install 'ravfeat\[face\]'"):
        load(tmp_path)


def test_a_net_needs_no_torch() -> None:
    code = "import sys, onnxruntime, ravfeat.encoders.onnx; print({'torch', 'transformers'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


# --- the two expression nets on real faces


EMOTIONS = {"01": "neutral", "02": "neutral", "04": "sad", "08": "surpris"}  # calm is neutral to both nets


@pytest.fixture(scope="module")
def real_faces(shared: Path) -> dict[str, list[Faces]]:
    """Three pictures a second of the 18 real clips, by the name of the clip."""
    source = FaceOptions(fps=3.0, models=(shared / "models/face",)).source(boxes=True, meshes=False)
    folder = shared / "data/ravdess_video/Actor_01"

    def clip(path: Path) -> Clip:
        return Clip(
            clip_id=path.stem, performance_id=path.stem[3:], path=path.name, actor="01", gender="male", label="neutral"
        )

    return {path.stem: list(source.read(clip(path), folder)) for path in sorted(folder.glob("*.mp4"))}


def real_scores(
    shared: Path, net: str, faces: Mapping[str, list[Faces]], *, margin: float = 1.0, **changes: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For every clip the mean probabilities, the column of its emotion, and that of surprise."""
    settings = replace(find_sidecar(shared / "models/face" / f"{net}.onnx"), **changes)
    encoder = OnnxEncoder(open_onnx_model(settings, "cpu"), settings, steps=(), margin=margin, frame_rate_hz=3.0)
    probabilities = np.stack(
        [encoder.scores([encoder.prepare(one) for one in each]).mean(0) for each in faces.values()]
    )
    columns = {
        emotion: next(i for i, label in enumerate(encoder.labels) if label.startswith(emotion))
        for emotion in EMOTIONS.values()
    }
    meant = np.array([columns[EMOTIONS[name.split("-")[2]]] for name in faces])
    return probabilities, meant, meant == columns["surpris"]


@pytest.mark.shared
@pytest.mark.parametrize(("net", "right"), [("fer_mini_xception", 9), ("faceapi_expression", 11)])
def test_expressions_are_recognised_far_above_chance(net, right, shared, real_faces) -> None:
    probabilities, meant, surprised = real_scores(shared, net, real_faces)
    assert len(meant) == 18
    # Whoever always says neutral is right nine times.
    assert (probabilities.argmax(1) == meant).sum() >= right
    # Surprise against neutral puts every surprised clip before every other one. The clips show eleven
    # performances, five of them surprised: by chance once in 462 times.
    column, neutral = meant[surprised][0], meant[~surprised][0]
    ratio = probabilities[:, column] / probabilities[:, neutral]
    assert ratio[surprised].min() > ratio[~surprised].max()


@pytest.mark.shared
@pytest.mark.parametrize(
    ("net", "wrong"),
    [
        ("fer_mini_xception", {"mean": (0.0,), "std": (255.0,)}),
        ("fer_mini_xception", {"mean": (0.0,), "std": (1.0,)}),
        ("fer_mini_xception", {"margin": 1.3}),
        ("faceapi_expression", {"colour": "bgr"}),
        ("faceapi_expression", {"std": (1.0,)}),
        ("faceapi_expression", {"mean": (127.5,), "std": (127.5,)}),
        ("faceapi_expression", {"margin": 1.3}),
    ],
)
def test_a_wrong_colour_order_scale_or_crop_would_be_noticed(net, wrong, shared, real_faces) -> None:
    seen = []
    for changes in ({}, wrong):
        probabilities, meant, surprised = real_scores(shared, net, real_faces, **changes)
        seen.append(probabilities[surprised, meant[surprised][0]].mean())
    assert seen[0] > 1.5 * seen[1]


def test_an_embedding_that_is_one_number_for_all_pictures_is_refused(tmp_path) -> None:
    path = write_net(tmp_path / "net.onnx", outputs=("number",), trick="number")
    write_settings(path, 'embedding = "number"')
    with pytest.raises(EncoderError, match=r"net.onnx gives 'number' as a single number for . pictures; expected one"):
        load_onnx_encoder(path, "cpu", steps=(), margin=None, frame_rate_hz=30.0)
