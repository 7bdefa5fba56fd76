"""An object store and a web server on this machine, which count what is asked of them."""

import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ravfeat.remote import base
from tests.objectstore import ObjectStore, serve_objects


@dataclass
class WebServer:
    """A web server for the files of a folder; what a test may switch on, and what was asked.

    ``sent`` counts bytes of bodies. With ``ranges`` off it gives whole files only; ``status`` is the answer to all;
    ``cut`` ends the next answers after so many bytes; ``elsewhere`` redirects to another address.
    """

    folder: Path
    url: str = ""
    ranges: bool = True
    status: int = 200
    cut: list[int] = field(default_factory=list)
    elsewhere: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    sent: int = 0


class _Handler(http.server.BaseHTTPRequestHandler):
    server_state: WebServer

    def do_GET(self) -> None:
        state, name = self.server_state, self.path.partition("?")[0].lstrip("/")
        wanted = self.headers.get("Range", "")
        state.asked.append((name, wanted))
        state.headers.append(dict(self.headers))
        path = state.folder / name
        if state.elsewhere:
            self.send_response(302)
            self.send_header("Location", f"{state.elsewhere}/{name}")
            self.end_headers()
        elif state.status != 200 or not path.is_file():
            self.send_error(state.status if state.status != 200 else 404)
        else:
            self._send(state, path.read_bytes(), wanted)

    def _send(self, state: WebServer, data: bytes, wanted: str) -> None:
        if wanted and state.ranges:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, stop = int(first), min(int(last or len(data)) + 1, len(data))
            body = data[start:stop]
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(data)}")
        else:
            body = data
            self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        body = body[: state.cut.pop(0)] if state.cut else body
        state.sent += len(body)
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def web(tmp_path: Path) -> Iterator[WebServer]:
    """A web server for the folder ``web`` of the test."""
    (tmp_path / "web").mkdir()
    state = WebServer(tmp_path / "web")
    handler = type("BoundHandler", (_Handler,), {"server_state": state})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again without waiting, and reach this machine without a proxy."""
    monkeypatch.setattr(base, "WAITS_S", [0.0, 0.0])
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture(scope="session")
def objects() -> Iterator[ObjectStore]:
    """An S3 server with the bucket ``shelf``."""
    with serve_objects() as store:
        yield store
