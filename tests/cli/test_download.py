"""``ravfeat download``, against a server on this machine."""

import hashlib
import http.server
import io
import json
import threading
import zipfile
from collections.abc import Iterator

import pytest

AUDIO = "Audio_Speech_Actors_01-24.zip"


def archive(names: list[str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in names:
            file.writestr(name, name.encode())
    return buffer.getvalue()


@pytest.fixture(scope="module")
def record() -> Iterator[str]:
    """Address of a record with the voices of actors 1 to 3 and the faces of actor 2."""
    voices = archive([f"Actor_{n:02d}/03-01-01-01-01-01-{n:02d}.wav" for n in (1, 2, 3)] + ["Actor_01/read.me"])
    faces = archive(["Actor_02/01-01-01-01-01-01-02.mp4"])
    files = {AUDIO: voices, "Video_Speech_Actor_02.zip": faces}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = f"http://127.0.0.1:{self.server.server_port}"  # type: ignore[attr-defined]
            entries = [
                {"key": key, "size": len(data), "checksum": f"md5:{hashlib.md5(data).hexdigest()}",
                 "links": {"self": f"{url}/{key}"}}
                for key, data in files.items()
            ]  # fmt: skip
            body = files.get(self.path[1:]) or json.dumps({"files": entries}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/record"
        server.shutdown()
        thread.join()


@pytest.fixture
def download(ravfeat, record, tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    before = (
        "from ravfeat.download.ravdess import download_ravdess\n"
        f"download_ravdess.__kwdefaults__['record_url'] = {record!r}"
    )
    return lambda *options: ravfeat("download", "ravdess", *options, before=before, cwd=tmp_path)


def test_without_options_it_fetches_voices_into_data_ravdess_once(download, tmp_path) -> None:
    done = download("--actors", "1-2")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "data/ravdess: 2 actor folders unpacked, 0 were there; 1 files that are no speech clips were left out;"
        " 'ravfeat extract --data data/ravdess' encodes them\n"
    )
    clips = {path.relative_to(tmp_path).as_posix() for path in (tmp_path / "data").rglob("*.wav")}
    assert clips == {f"data/ravdess/audio/Actor_{n:02d}/03-01-01-01-01-01-{n:02d}.wav" for n in (1, 2)}
    assert "0 actor folders unpacked, 2 were there" in download("--actors", "1-2").stdout


def test_video_alone_and_elsewhere(download, tmp_path) -> None:
    done = download("--video", "--actors", "2", "--out", "faces")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "faces").rglob("*.mp4")] == ["01-01-01-01-01-01-02.mp4"]
    assert not list((tmp_path / "faces").rglob("*.wav"))


def test_both(download, tmp_path) -> None:
    assert download("--audio", "--video", "--actors", "2").returncode == 0
    assert {path.suffix for path in (tmp_path / "data").rglob("*-02.*")} == {".wav", ".mp4"}


@pytest.mark.parametrize("actors", ["0", "25", "1-30", "all", ""])
def test_actors_that_are_not_there_end_with_2(actors, download, tmp_path) -> None:
    done = download("--actors", actors)
    assert done.returncode == 2
    assert f"actors '{actors}'" in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_record_without_the_archive_is_one_line(download) -> None:
    done = download("--video", "--actors", "9")
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert "Video_Speech_Actor_09.zip" in line
