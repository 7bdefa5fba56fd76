"""Guard before the page's server: which requests pass, how much may be uploaded, what a browser may do with the page.

The server of gradio has many more routes than the page asks: for programs, for fetching addresses, for its own tools.
None but those that are listed here is reached.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ravfeat.demo.uploads import is_upload, n_bytes

__all__ = ["MAX_HELD", "MAX_UPLOAD", "Guard", "is_loopback"]

MAX_UPLOAD = 100_000_000
"""Bytes of one recording."""

MAX_HELD = 1_000_000_000
"""Bytes of all recordings that have not yet been swept away."""

_SLACK = 100_000
"""Bytes of a request beside the recording."""

_API = "/gradio_api"
_UPLOAD = f"{_API}/upload"
_READ = {
    "/", "/config", "/theme.css", "/favicon.ico", "/robots.txt", f"{_API}/startup-events", f"{_API}/upload_progress",
    f"{_API}/queue/data",
}  # fmt: skip
_READ_BELOW = ("/assets/", "/static/", "/svelte/", f"{_API}/heartbeat/")
_FILE = f"{_API}/file="
_WRITE = {_UPLOAD: MAX_UPLOAD + _SLACK, f"{_API}/queue/join": _SLACK}
"""Routes of POST, and how many bytes they take."""

_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:;"
    " worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
_FRAMES_OF_A_SPACE = " https://huggingface.co https://*.hf.space"

_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Scope]]
_Send = Callable[[_Scope], Awaitable[None]]


def is_loopback(host: str) -> bool:
    """Say whether a host, by name or number, is this machine as seen from itself."""
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """ASGI middleware.

    Parameters
    ----------
    app
        What is guarded.
    uploads : Path
        The only folder whose files are served.
    host : str
        Where the server listens. On a loopback address, requests that name another host, or come from pages of
        another origin, are refused: they are of a page elsewhere in the visitor's browser.
    """

    def __init__(self, app: Callable[[_Scope, _Receive, _Send], Awaitable[None]], *, uploads: Path, host: str) -> None:
        self._app = app
        self._uploads = uploads
        self._local = is_loopback(host)
        self._on_the_way = 0
        policy = _POLICY + ("" if self._local else _FRAMES_OF_A_SPACE)
        self._headers = [
            (b"content-security-policy", policy.encode()), (b"referrer-policy", b"no-referrer"),
            (b"x-content-type-options", b"nosniff"),
        ]  # fmt: skip

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """Answer with a sentence where a request may not pass."""

        async def with_headers(message: _Scope) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._headers]
            await send(message)

        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        elif refusal := self._refusal(scope):
            status, sentence = refusal
            headers = [(b"content-type", b"text/plain; charset=utf-8")]
            await with_headers({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": f"{sentence}\n".encode()})
        elif scope["path"] == _UPLOAD:
            length = _length(scope)
            self._on_the_way += length
            try:
                await self._app(scope, receive, with_headers)
            finally:
                self._on_the_way -= length
        else:
            await self._app(scope, receive, with_headers)

    def _refusal(self, scope: _Scope) -> tuple[int, str] | None:
        if self._local and not is_loopback(_name(_header(scope, b"host"))):
            return 403, "This page is for this machine: open it as localhost, or start it with --host 0.0.0.0."
        path, method = scope["path"], scope["method"]
        if method in ("GET", "HEAD"):
            return None if self._may_be_read(path) else (404, "There is no such page.")
        if method != "POST" or path not in _WRITE:
            return 404, "There is no such page."
        if self._local and _is_foreign(_header(scope, b"origin"), _header(scope, b"host")):
            return 403, "Pages of other origins may not ask."
        length = _length(scope)
        if length < 0:
            return 411, "The request does not say how long it is."
        if length > _WRITE[path]:
            return 413, f"The recording is larger than {MAX_UPLOAD / 1e6:.0f} MB."
        if path == _UPLOAD and n_bytes(self._uploads) + self._on_the_way + length > MAX_HELD:
            return 507, "Too many recordings lie here; they are gone within the hour. Try again later."
        return None

    def _may_be_read(self, path: str) -> bool:
        if path.startswith(_FILE):
            return is_upload(path.removeprefix(_FILE), self._uploads)
        return path in _READ or path.startswith(_READ_BELOW)


def _header(scope: _Scope, name: bytes) -> str:
    """Give a header, as one text where it was sent twice, which then equals nothing that is expected."""
    return b", ".join(value for key, value in scope["headers"] if key == name).decode("latin-1")


def _length(scope: _Scope) -> int:
    text = _header(scope, b"content-length")
    if not (text.isascii() and text.isdigit() and len(text) < 20) or _header(scope, b"transfer-encoding"):
        return -1
    return int(text)


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_foreign(origin: str, host: str) -> bool:
    return bool(origin) and origin.partition("://")[2] != host
