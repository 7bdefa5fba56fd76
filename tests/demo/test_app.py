import asyncio
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
            return answer.status, dict(answer.headers), answer.read().decode()
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
    assert '"named_endpoints":{}' in get(f"{url}gradio_api/info")[2].replace(" ", "")


def test_an_upload_is_gone_when_its_time_is_over(url) -> None:
    border = uuid4().hex
    about = 'Content-Disposition: form-data; name="files"; filename="a.wav"'
    part = f"--{border}\r\n{about}\r\n\r\nsound\r\n--{border}--\r\n"
    request = urllib.request.Request(f"{url}gradio_api/upload", part.encode())
    request.add_header("Content-Type", f"multipart/form-data; boundary={border}")
    with urllib.request.urlopen(request) as answer:
        path = Path(answer.read().decode().strip('[]"'))
    assert path.name == "a.wav"
    assert path.is_file()
    for _ in range(100):
        if not path.is_file():
            break
        time.sleep(0.1)
    assert not path.exists()


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
