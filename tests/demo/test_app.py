import asyncio
import json
import re
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from ravfeat.demo.answer import Answerer
from ravfeat.errors import RavfeatError, UsageError
from tests.toyprediction import facts_of_toy, prediction_of

app = pytest.importorskip("ravfeat.demo.app", reason="gradio, of the extra demo, is not installed")

# gradio and what it brings warn of each other's next versions.
pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.usefixtures("tidy_gradio")]

ANSWERER = Answerer(lambda _: prediction_of(), facts_of_toy(name="<b>head</b>"))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Address of the page; uploads live for two seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "_SWEEP_S", 1)
        patch.setattr(app, "_KEEP_S", 1)
        with app.running(ANSWERER, ["audio", "face"]) as running:
            yield running.url


def get(url: str) -> tuple[int, dict[str, str], str]:
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status, dict(answer.headers), answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, {}, ""


def components(streams: list[str], kind: str) -> list[object]:
    return [block for block in app.build(ANSWERER, streams).blocks.values() if type(block).__name__ == kind]


@pytest.mark.parametrize(
    ("streams", "tabs"),
    [
        (["audio", "face"], ["Voice and face", "Voice"]),
        (["audio"], ["Voice"]),
        (["face"], ["Face"]),
        (["audio", "joint"], ["Voice and face", "Voice"]),
    ],
)
def test_there_are_only_the_tabs_that_the_systems_allow(streams, tabs) -> None:
    assert [tab.label for tab in components(streams, "Tab")] == tabs


def test_a_head_of_other_features_has_no_page() -> None:
    with pytest.raises(UsageError, match="the page records voices and faces, and this head reads other"):
        app.build(ANSWERER, ["other"])


def test_the_page_names_no_other_host_that_a_browser_would_ask(url) -> None:
    status, headers, html = get(url)
    assert status == 200
    assert headers["content-security-policy"].startswith("default-src 'self'; script-src 'self'")
    assert "http" not in headers["content-security-policy"]
    assert "fonts.g" not in html
    assert "cdn" not in html
    assert '"analytics_enabled": false' in html or '"analytics_enabled":false' in html
    assert "<b>head</b>" not in html


def test_files_of_the_machine_and_other_pages_are_not_served(url) -> None:
    for path in ("/etc/passwd", Path(app.__file__), Path.cwd() / "pyproject.toml"):
        assert get(f"{url}gradio_api/file={path}")[0] in {403, 404}
    assert get(f"{url}monitoring")[0] in {403, 404}
    assert get(f"{url}docs")[0] == 404


def upload(url: str, data: str = "sound") -> Path:
    border = uuid4().hex
    about = 'Content-Disposition: form-data; name="files"; filename="a.wav"'
    part = f"--{border}\r\n{about}\r\n\r\n{data}\r\n--{border}--\r\n"
    request = urllib.request.Request(f"{url}gradio_api/upload", part.encode())
    request.add_header("Content-Type", f"multipart/form-data; boundary={border}")
    with urllib.request.urlopen(request) as answer:
        return Path(answer.read().decode().strip('[]"'))


def ask(url: str, fn: int, *data: object) -> str:
    """Call a function as the page does; its events, as far as the end."""
    session = uuid4().hex
    body = {"data": data, "fn_index": fn, "session_hash": session, "event_data": None, "trigger_id": None}
    request = urllib.request.Request(f"{url}gradio_api/queue/join", json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    urllib.request.urlopen(request).close()
    events = ""
    with urllib.request.urlopen(f"{url}gradio_api/queue/data?session_hash={session}", timeout=30) as stream:
        for line in stream:
            events += line.decode()
            if "process_completed" in events:
                break
    return events


def recording(path: object) -> dict[str, object]:
    return {"path": str(path), "is_stream": True, "meta": {"_type": "gradio.FileData"}}


def test_what_was_not_uploaded_is_neither_fetched_nor_opened(url) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/x.wav"
        assert "No answer: this is no recording that was uploaded here." in ask(url, 0, recording(address))
        for path in (__file__, f"file:{__file__}", f"concat:{__file__}", f"async:{address}"):
            assert "The voice says" not in ask(url, 1, recording(path))
        with pytest.raises(TimeoutError):
            listener.accept()
    assert "The voice says" in ask(url, 0, recording(upload(url)))


def test_an_upload_is_gone_when_its_time_is_over_and_generated_voices_stay(url) -> None:
    path = upload(url)
    assert path.name == "a.wav"
    assert path.is_file()
    broken_off = path.parents[1] / "tmp123"
    broken_off.write_bytes(b"so")
    for _ in range(100):
        if not path.is_file() and not broken_off.exists():
            break
        time.sleep(0.1)
    assert not path.exists()
    assert not broken_off.exists()
    for fn in (2, 3, 4):  # the buttons, after the two tabs
        events = ask(url, fn)
        assert "The voice says" in events
        (example,) = set(re.findall(r'"path": ?"([^"]*)"', events))
        assert get(f"{url}gradio_api/file={example}")[0] == 200


def test_a_face_is_not_encoded_anew() -> None:
    (video,) = components(["face"], "Video")
    data = app.gr.data_classes.FileData(path="/no/ffmpeg/is/run.webm")
    assert video.preprocess(data) == "/no/ffmpeg/is/run.webm"


def test_an_address_in_place_of_an_upload_is_not_fetched() -> None:
    for kind, streams in (("Audio", ["audio"]), ("Video", ["face"])):
        (component,) = components(streams, kind)
        with pytest.raises(app.gr.Error, match="addresses are not fetched"):
            asyncio.run(component.async_move_resource_to_block_cache("https://example.org/a.wav"))


def test_a_port_that_is_taken_is_named(url) -> None:
    port = int(url.rstrip("/").rpartition(":")[2])
    with (
        pytest.raises(RavfeatError, match=f"port {port}.*choose another --port"),
        app.running(ANSWERER, ["face"], port=port),
    ):
        pass
