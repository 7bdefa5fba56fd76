import asyncio
from typing import Any

import pytest

from ravfeat.demo import guard
from ravfeat.demo.guard import MAX_UPLOAD, Guard, is_loopback

HOST = "127.0.0.1:7860"


def ask(
    guard: Guard | None, method: str, path: str, *, host: str = HOST, length: int | None = 10, **headers: str
) -> tuple[int, dict[bytes, bytes], str]:
    """Send a request; status, headers and body. 200 where it reached the application."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    if length is not None and method == "POST":
        headers["content_length"] = str(length)
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in {"host": host, **headers}.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": pairs}
    asyncio.run(guard(scope, None, send))  # type: ignore[arg-type]
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"].decode()


async def application(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
    await send({"type": "http.response.body", "body": b"reached"})


@pytest.fixture
def local(tmp_path) -> Guard:
    return Guard(application, uploads=tmp_path, host="127.0.0.1")


@pytest.fixture
def public(tmp_path) -> Guard:
    return Guard(application, uploads=tmp_path, host="0.0.0.0")


def test_what_the_page_needs_passes(local, tmp_path) -> None:
    (tmp_path / "a.wav").write_bytes(b"sound")
    for path in ("/", "/config", "/theme.css", "/assets/a.js", "/gradio_api/queue/data", "/gradio_api/heartbeat/x",
                 f"/gradio_api/file={tmp_path}/a.wav"):  # fmt: skip
        assert ask(local, "GET", path)[0] == 200
    for path in ("/gradio_api/upload", "/gradio_api/queue/join"):
        assert ask(local, "POST", path, origin=f"http://{HOST}")[0] == 200
        assert ask(local, "POST", path)[0] == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/gradio_api/run/predict"),
        ("POST", "/gradio_api/api/predict"),
        ("POST", "/gradio_api/call/predict"),
        ("POST", "/gradio_api/process_recording"),
        ("POST", "/gradio_api/component_server"),
        ("POST", "/gradio_api/stream/x"),
        ("POST", "/"),
        ("PUT", "/gradio_api/upload"),
        ("GET", "/gradio_api/upload"),
        ("GET", "/gradio_api/info"),
        ("GET", "/gradio_api/proxy=https://example.org/"),
        ("GET", "/gradio_api/file=https://example.org/a.wav"),
        ("GET", "/gradio_api/file=/etc/passwd"),
        ("GET", "/gradio_api/file//etc/passwd"),
        ("GET", "/gradio_api/stream/a/b/1/playlist.m3u8"),
        ("GET", "/monitoring"),
        ("GET", "/docs"),
    ],
)
def test_what_the_page_does_not_need_is_not_there(method, path, local) -> None:
    status, headers, body = ask(local, method, path)
    assert (status, body) == (404, "There is no such page.\n")
    assert headers[b"x-content-type-options"] == b"nosniff"


@pytest.mark.parametrize("host", ["localhost:7860", "localhost", "127.0.0.1:7861", "[::1]:7860"])
def test_a_server_for_this_machine_answers_its_own_names(host, local) -> None:
    assert ask(local, "GET", "/", host=host)[0] == 200


@pytest.mark.parametrize("host", ["example.org", "example.org:7860", "", "localhost.example.org", "[", "192.168.0.1"])
def test_a_server_for_this_machine_answers_no_other_name(host, local, public) -> None:
    status, _, body = ask(local, "GET", "/", host=host)
    assert status == 403
    assert "open it as localhost" in body
    assert ask(public, "GET", "/", host=host)[0] == 200  # a Space has a name of its own


@pytest.mark.parametrize("origin", ["http://example.org", "null", "http://127.0.0.1:8888"])
def test_pages_of_other_origins_cannot_ask_a_server_for_this_machine(origin, local, public) -> None:
    status, _, body = ask(local, "POST", "/gradio_api/queue/join", origin=origin)
    assert (status, body) == (403, "Pages of other origins may not ask.\n")
    assert ask(public, "POST", "/gradio_api/queue/join", host="user-space.hf.space", origin=origin)[0] == 200


def test_only_pages_of_a_space_may_frame_a_public_server(local, public) -> None:
    ours, theirs = (ask(server, "GET", "/")[1] for server in (local, public))
    assert ours[b"content-security-policy"].endswith(b"frame-ancestors 'self'")
    assert theirs[b"content-security-policy"].endswith(
        b"frame-ancestors 'self' https://huggingface.co https://*.hf.space"
    )
    assert ours[b"x-content-type-options"] == b"nosniff"
    assert ours[b"a"] == b"b"


def test_uploads_are_bounded_one_by_one_and_together(local, tmp_path, monkeypatch) -> None:
    path = "/gradio_api/upload"
    assert ask(local, "POST", path, length=None)[0] == 411
    assert ask(local, "POST", path, transfer_encoding="chunked")[0] == 411
    assert ask(local, "POST", path, length=2 * MAX_UPLOAD)[::2] == (413, "The recording is larger than 100 MB.\n")
    assert ask(local, "POST", "/gradio_api/queue/join", length=MAX_UPLOAD)[0] == 413
    monkeypatch.setattr(guard, "MAX_HELD", 100)
    assert ask(local, "POST", path, length=60)[0] == 200
    assert ask(local, "POST", path, length=60)[0] == 200  # nothing was left of the first
    (tmp_path / "a.wav").write_bytes(b"x" * 60)
    status, _, body = ask(local, "POST", path, length=60)
    assert status == 507
    assert "Try again later" in body


def test_loopback_is_told_from_names_that_begin_like_it() -> None:
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "[::1]", "localhost", "127.0.0.9")] == [True] * 5
    assert not any(map(is_loopback, ("0.0.0.0", "::", "", "127.0.0.1.example.org", "10.0.0.1")))
