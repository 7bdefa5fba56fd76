"""A Hugging Face hub on this machine, with one repository at one commit."""

import hashlib
import http.server
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

REVISION = "c0ffee" * 6 + "c0de"
REPOSITORY = "somebody/tiny-wavlm"
CARD = b"---\nlicense: mit\n---\n# tiny"


@dataclass
class Hub:
    """What a hub needs to answer for one repository at one revision."""

    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    @property
    def fetched(self) -> set[str]:
        return {line.rpartition("/")[2] for line in self.asked if line.startswith("GET") and "/resolve/" in line}


class HubHandler(http.server.BaseHTTPRequestHandler):
    hub: Hub

    def do_HEAD(self) -> None:
        self.answer(send=False)

    def do_GET(self) -> None:
        self.answer(send=True)

    def answer(self, *, send: bool) -> None:
        path = self.path.partition("?")[0]
        self.hub.asked.append(f"{self.command} {path}")
        name = path.removeprefix(f"/{REPOSITORY}/resolve/{REVISION}/")
        if path == f"/api/models/{REPOSITORY}/tree/{REVISION}":
            tree = [
                {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                for name, data in self.hub.files.items()
            ]
            self.reply(json.dumps(tree).encode(), {"Content-Type": "application/json"}, send=send)
        elif name in self.hub.files:
            data = self.hub.files[name]
            headers = {"ETag": f'"{hashlib.sha1(data).hexdigest()}"', "X-Repo-Commit": REVISION}
            self.reply(data, headers, send=send)
        else:
            self.send_error(404)

    def reply(self, body: bytes, headers: dict[str, str], *, send: bool) -> None:
        self.send_response(200)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if send:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@contextmanager
def serve(folder: Path, further: Mapping[str, bytes] = {}) -> Iterator[Hub]:
    """Serve the files of a folder, a model card, and further files."""
    state = Hub({path.name: path.read_bytes() for path in folder.iterdir()} | {"README.md": CARD} | dict(further))
    handler = type("BoundHandler", (HubHandler,), {"hub": state})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        server.shutdown()
        thread.join()


def use_hub(patch: pytest.MonkeyPatch, url: str, cache: Path) -> None:
    """Make the hub's client, in this process, talk to an address and keep files in a folder."""
    from huggingface_hub import constants

    patch.setattr(constants, "ENDPOINT", url)
    patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
    patch.setattr(constants, "HF_HUB_CACHE", str(cache))
    patch.setenv("no_proxy", "*")
