"""Model files: given, in the cache folder, or fetched from a server on this machine."""

import dataclasses
import hashlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ravfeat.errors import DownloadError, UsageError
from ravfeat.faces.models import BLAZE_FACE, FACE_LANDMARKER, ModelFile, PublishedModel, find_model, models_folder

BODY = bytes(range(256)) * 50


@dataclass
class Served:
    """A model that a server holds, and what the server was asked."""

    model: PublishedModel
    asked: list[str] = field(default_factory=list)


@pytest.fixture(autouse=True)
def cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/ravfeat/models"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("no_proxy", "*")
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(BODY)))
            self.end_headers()
            self.wfile.write(BODY)

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/float16/1/finder.tflite"
        yield Served(PublishedModel(url, hashlib.sha256(BODY).hexdigest()), asked)
        server.shutdown()
        thread.join()


def unreachable(model: PublishedModel = BLAZE_FACE) -> PublishedModel:
    return dataclasses.replace(model, url=f"http://127.0.0.1:9/{model.name}")


def file(path: Path, content: bytes = b"model") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_model_is_fetched_once_into_the_cache_folder(served: Served, cache_folder: Path) -> None:
    for _ in range(2):
        assert find_model(served.model) == ModelFile(
            cache_folder / "finder.tflite", served.model.sha256, "finder.tflite"
        )
    assert served.asked == ["/float16/1/finder.tflite"]
    assert (cache_folder / "finder.tflite").read_bytes() == BODY


def test_a_file_that_is_given_is_used_with_its_own_digest_and_nothing_is_fetched(tmp_path: Path) -> None:
    given = file(tmp_path / "mine.tflite")
    digest = hashlib.sha256(b"model").hexdigest()
    assert find_model(unreachable(), [given]) == ModelFile(given, digest, "mine.tflite")


def test_one_of_several_given_paths_serves(tmp_path: Path) -> None:
    detector, landmarker = file(tmp_path / "a.tflite"), file(tmp_path / "b.task")
    assert find_model(unreachable(), [detector, landmarker]).path == detector
    assert find_model(unreachable(FACE_LANDMARKER), [detector, landmarker]).path == landmarker


def test_in_a_folder_the_published_name_comes_first(tmp_path: Path) -> None:
    other, published = file(tmp_path / "m/a.tflite"), file(tmp_path / "m" / BLAZE_FACE.name)
    file(tmp_path / "m/expressions.onnx")
    assert find_model(unreachable(), [tmp_path / "m"]).path == published
    published.unlink()
    assert find_model(unreachable(), [tmp_path / "m"]).path == other


def test_what_no_given_path_holds_comes_from_the_cache_folder(served: Served, tmp_path: Path) -> None:
    given = file(tmp_path / "m/b.task")
    assert find_model(served.model, [given, given.parent]).name == "finder.tflite"


def test_two_files_of_one_kind_are_refused(tmp_path: Path) -> None:
    given = [file(tmp_path / "a.tflite"), file(tmp_path / "b.tflite")]
    for places in (given, [tmp_path]):
        with pytest.raises(UsageError, match=r"expected one \.tflite file, got .*a\.tflite, .*b\.tflite"):
            find_model(unreachable(), places)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing.tflite", r"no model file .*nothing\.tflite; expected a \.tflite or \.task file"),
        ("model.onnx", r"model\.onnx: expected a \.tflite file \(detector\) or a \.task file \(landmarker\)"),
        ("empty", r"empty holds no model"),
    ],
)
def test_a_given_path_that_is_no_model_is_refused(tmp_path: Path, name: str, message: str) -> None:
    file(tmp_path / "model.onnx")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=message):
        find_model(unreachable(), [tmp_path / name])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid",
            "is a Git LFS pointer, not the model; fetch it with 'git lfs",
        ),
        (b"<html>", "is a web page, not the model; download it again"),
        (b"", "is empty"),
    ],
)
def test_what_lies_in_place_of_a_model_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "mine.tflite").write_bytes(content)
    with pytest.raises(UsageError, match=f"mine.tflite {message}"):
        find_model(BLAZE_FACE, [tmp_path / "mine.tflite"])


def test_without_a_network_the_message_says_what_to_fetch_and_where_to_put_it(cache_folder: Path) -> None:
    model = unreachable()
    with pytest.raises(DownloadError) as caught:
        find_model(model)
    for part in (model.url, model.sha256, str(cache_folder / model.name), "--detector-model PATH"):
        assert part in str(caught.value)


def test_another_file_in_the_cache_folder_is_refused(served: Served, cache_folder: Path) -> None:
    file(cache_folder / "finder.tflite", b"another")
    with pytest.raises(DownloadError, match=r"expected checksum sha256:\w+, got sha256:\w+; remove .*finder\.tflite"):
        find_model(served.model)
    assert (cache_folder / "finder.tflite").read_bytes() == b"another"


def test_a_server_with_another_file_is_refused(served: Served, cache_folder: Path) -> None:
    with pytest.raises(DownloadError, match="expected checksum"):
        find_model(dataclasses.replace(served.model, sha256="0" * 64))
    assert not (cache_folder / "finder.tflite").exists()


@pytest.mark.parametrize("named", ["", "relative/folder"])
def test_without_a_usable_setting_the_cache_folder_is_in_the_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, named: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", named)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert models_folder() == tmp_path / ".cache/ravfeat/models"


@pytest.mark.shared
@pytest.mark.parametrize("model", [BLAZE_FACE, FACE_LANDMARKER], ids=lambda model: model.name)
def test_the_pinned_digests_are_those_of_the_real_files(shared: Path, model: PublishedModel) -> None:
    assert find_model(unreachable(model), [shared / "models/face"]).sha256 == model.sha256
