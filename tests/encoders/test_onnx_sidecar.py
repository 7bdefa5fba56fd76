"""The TOML file beside an ONNX net: what it may say, and what it may not."""

import shutil
import tomllib
from importlib import resources
from pathlib import Path

import pytest

from ravfeat.encoders.onnx_sidecar import find_sidecar, read_sidecar
from ravfeat.errors import EncoderError
from ravfeat.files import sha256_of
from tests.toynets import write_net, write_settings


def beside_net(folder: Path, text: str) -> Path:
    write_net(folder / "mine.onnx")
    return write_settings(folder / "mine.onnx", text)


def test_everything_else_has_a_default(tmp_path) -> None:
    settings = read_sidecar(beside_net(tmp_path, ""))
    assert (settings.model, settings.name) == (tmp_path / "mine.onnx", "mine")
    assert settings.sha256 == sha256_of(tmp_path / "mine.onnx")
    assert (settings.colour, settings.layout, settings.size) == ("rgb", None, None)
    assert (settings.divide_by, settings.mean, settings.std, settings.margin) == (1, (0,), (1,), 1)
    assert (settings.embedding, settings.logits, settings.labels) == (None, None, ())


def test_every_key_arrives(tmp_path) -> None:
    write_net(tmp_path / "net.onnx")
    digest = sha256_of(tmp_path / "net.onnx")
    text = f"""
        model = "../net.onnx"
        sha256 = "{digest.upper()}"
        name = "my-net"
        size = 224
        colour = "bgr"
        layout = "nhwc"
        divide_by = 255
        mean = [0.485, 0.456, 0.406]
        std = 0.5
        margin = 1.3
        embedding = "features"
        logits = "scores"
        labels = ["a", "b"]
        licence = "MIT"
        source = "https://example.org"
    """
    (tmp_path / "settings").mkdir()
    path = tmp_path / "settings" / "any.toml"
    path.write_text(text, encoding="utf-8")
    settings = read_sidecar(path)
    assert settings.model.resolve() == (tmp_path / "net.onnx").resolve()
    assert (settings.name, settings.size, settings.colour, settings.layout) == ("my-net", 224, "bgr", "nhwc")
    assert (settings.divide_by, settings.mean, settings.std) == (255, (0.485, 0.456, 0.406), (0.5,))
    assert (settings.margin, settings.embedding, settings.logits) == (1.3, "features", "scores")
    assert settings.labels == ("a", "b")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("labelz = ['a']", r"mine.toml has the key 'labelz', which means nothing; did you mean 'labels'\?"),
        ("color = 'rgb'", r"'color', which means nothing; did you mean 'colour'\?"),
        ("qqq = 1", r"'qqq', which means nothing; choose from colour, divide_by, embedding"),
        ("colour = 'red'", r"mine.toml: colour is \"red\", expected 'rgb', 'bgr' or 'gray'"),
        ("colour = 3", r"colour is 3, expected 'rgb', 'bgr' or 'gray'"),
        ("layout = ['nchw']", "layout is .*expected 'nchw' or 'nhwc'"),
        ("size = 0", "size is 0"),
        ("size = 100_000", "size is 100000, expected less than or equal to 4096"),
        ("size = [224, 224]", r"size is \[224, 224\], expected a whole number"),
        ("size = true", "size is true, expected a whole number"),
        ("mean = [1, 2]", "mean has 2 numbers, expected one number or 3"),
        ("mean = [1, 2, 3]\ncolour = 'gray'", "mean has 3 numbers, expected one number or 1"),
        ("mean = 'zero'", r'mean\[0\] is "zero", expected a number'),
        ("mean = []", r"mean is \[\]"),
        ("mean = 1e300", r"mean\[0\] is 1e\+300"),
        ("std = [1, 0, 1]", r"std is \[1.0, 0.0, 1.0\], expected numbers other than 0"),
        ("std = 1e-320", r"std is \[1e-320\], expected numbers other than 0"),
        ("std = nan", "std is NaN, expected a number"),
        ("divide_by = 0", "divide_by is 0"),
        ("divide_by = 1e-320", "divide_by is 1e-320"),
        ("divide_by = " + "9" * 400, "divide_by is 9"),
        ("margin = -1", "margin is -1"),
        ("margin = true", "margin is true, expected a number"),
        ("name = ''", 'name is "", expected a text that is not empty'),
        ("name = '../mine'", r"mine.toml calls the net '../mine' .*a part of the cache's folder: use letters, digits"),
        ("embedding = 3", "embedding is 3, expected text"),
        ("labels = 'a'\nlogits = 'scores'", 'labels is "a", expected a list'),
        ("labels = ['a']", "has labels and no logits that they belong to"),
        (
            "model = 'other.onnx'",
            "mine.toml speaks of .*other.onnx, which is not there; its key 'model' names the file",
        ),
        ("sha256 = 'abc'", "mine.onnx has the SHA-256 [0-9a-f]{64}, .*mine.toml promises abc; one of them is another"),
        ("name = ", "mine.toml is not valid TOML"),
        ("\x00", "mine.toml is not valid TOML"),
        ("a = " + "[" * 100_000, "mine.toml is nested too deeply"),
        ("a" + ".a" * 30_000 + " = 1", "mine.toml is nested too deeply"),
    ],
)
def test_what_means_nothing_is_refused(text, match, tmp_path) -> None:
    with pytest.raises(EncoderError, match=match):
        read_sidecar(beside_net(tmp_path, text))


@pytest.mark.parametrize("text", ["", "colour = 'rgb'", "divide_by = 255", "mean = 1\nstd = 2"])
def test_how_a_pixel_becomes_the_input_is_never_guessed(text, tmp_path) -> None:
    write_net(tmp_path / "mine.onnx")
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    with pytest.raises(
        EncoderError, match=r"mine.toml must say how a pixel becomes the input: 'colour' .*divide_by = 1"
    ):
        read_sidecar(tmp_path / "mine.toml")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid",
            "is a Git LFS pointer, not the net; fetch it with 'git lfs",
        ),
        (b"<!DOCTYPE html>", "is a web page, not the net"),
        (b"", "has 0 bytes, expected an ONNX net in one file"),
    ],
)
def test_what_lies_in_place_of_a_net_is_named(content, match, tmp_path) -> None:
    path = beside_net(tmp_path, "")
    path.with_suffix(".onnx").write_bytes(content)
    for given in (path, path.with_suffix(".onnx")):
        with pytest.raises(EncoderError, match=rf"mine.onnx {match}"):
            find_sidecar(given)


def test_a_net_of_absurd_size_is_not_read(tmp_path) -> None:
    path = beside_net(tmp_path, "")
    with path.with_suffix(".onnx").open("wb") as file:
        file.truncate(5 << 30)
    with pytest.raises(EncoderError, match=r"mine.onnx has 5368709120 bytes, expected .* of at most 2147483648"):
        read_sidecar(path)


def test_bytes_that_are_no_text_are_refused(tmp_path) -> None:
    (tmp_path / "mine.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(EncoderError, match=r"mine.toml is not valid TOML"):
        read_sidecar(tmp_path / "mine.toml")


def test_net_and_settings_find_each_other(tmp_path) -> None:
    path = beside_net(tmp_path, "name = 'found'")
    assert find_sidecar(path) == find_sidecar(tmp_path / "mine.onnx") == read_sidecar(path)


def test_settings_of_another_net_are_not_taken(tmp_path) -> None:
    path = beside_net(tmp_path, "model = 'other.onnx'")
    shutil.copyfile(tmp_path / "mine.onnx", tmp_path / "other.onnx")
    assert find_sidecar(path).model.name == "other.onnx"
    with pytest.raises(EncoderError, match=r"mine.toml belongs to .*other.onnx, not to .*mine.onnx; name the .toml"):
        find_sidecar(tmp_path / "mine.onnx")


def test_an_unknown_net_without_settings_is_refused(tmp_path) -> None:
    write_net(tmp_path / "mine.onnx")
    with pytest.raises(EncoderError, match=r"mine.onnx has no mine.toml beside it.*none of the nets ravfeat knows"):
        find_sidecar(tmp_path / "mine.onnx")


@pytest.mark.parametrize("name", ["none.onnx", "none.toml"])
def test_a_file_that_is_not_there_is_refused(name, tmp_path) -> None:
    with pytest.raises(EncoderError, match=f"{name} is not there; expected an ONNX net"):
        find_sidecar(tmp_path / name)


@pytest.mark.parametrize(
    "known", [path.name for path in resources.files("ravfeat.encoders").joinpath("nets").iterdir()]
)
def test_the_settings_that_ravfeat_brings_are_sound(known, tmp_path) -> None:
    text = resources.files("ravfeat.encoders").joinpath("nets", known).read_text(encoding="utf-8")
    assert {"sha256", "name", "licence", "embedding"} <= tomllib.loads(text).keys()
    assert len(tomllib.loads(text)["sha256"]) == 64
    without_digest = "\n".join(line for line in text.splitlines() if not line.startswith("sha256"))
    assert read_sidecar(beside_net(tmp_path, without_digest)).margin == 1.0


@pytest.mark.shared
@pytest.mark.parametrize(
    ("file", "size", "labels"),
    [("fer_mini_xception", 64, 7), ("faceapi_expression", 112, 7), ("efficientnet_lite0_in1k", 224, 0)],
)
def test_known_nets_are_known_by_their_digest_whatever_they_are_called(file, size, labels, shared, tmp_path) -> None:
    (tmp_path / "renamed.onnx").symlink_to(shared / "models/face" / f"{file}.onnx")
    settings = find_sidecar(tmp_path / "renamed.onnx")
    assert settings.name == file.replace("_", "-")
    assert (settings.size, len(settings.labels)) == (size, labels)
