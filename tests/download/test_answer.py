"""Answers that never end, come too slowly, or lead elsewhere."""

import socket
import threading
import time
import urllib.error
from collections.abc import Callable

import pytest

from ravfeat.download import answer
from ravfeat.download.answer import Answer
from ravfeat.errors import DownloadError
from tests.download.conftest import Listen

OK = b"HTTP/1.1 200 OK\r\n"
BODY = bytes(range(256)) * 1000


def drip(head: bytes, piece: bytes = b"x") -> Callable[[socket.socket], None]:
    def speak(connection: socket.socket) -> None:
        connection.sendall(head)
        for _ in range(100):  # two seconds, long after the client is gone
            connection.sendall(piece)
            time.sleep(0.02)

    return speak


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer, "WINDOW_S", 0.3)


def read(url: str) -> bytes:
    with Answer(url, {}) as reply:
        return b"".join(reply.blocks())


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(OK + b"Content-Length: 100000000\r\n\r\n", id="body with a size"),
        pytest.param(OK + b"\r\n", id="body without a size"),
        pytest.param(OK + b"X: ", id="header"),
        pytest.param(b"", id="status line"),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0000", id="size of a chunk"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n", id="continued for ever"),
    ],
)
@pytest.mark.usefixtures("impatient")
def test_a_drip_is_given_up(listen: Listen, head: bytes) -> None:
    url = listen(drip(head, b"0" if b"chunked" in head else b"x"))
    started = time.monotonic()
    with pytest.raises(TimeoutError, match=r"only \d+ bytes came in 0 s"):
        read(url)
    assert time.monotonic() - started < 5


@pytest.mark.usefixtures("impatient")
def test_a_server_that_says_nothing_is_given_up(listen: Listen) -> None:
    url = listen(lambda connection: connection.recv(1) and None)
    with pytest.raises(TimeoutError, match="only 0 bytes came"):
        read(url)


@pytest.mark.usefixtures("impatient")
def test_slow_but_steady_is_fast_enough(listen: Listen) -> None:
    def speak(connection: socket.socket) -> None:
        connection.sendall(OK + b"\r\n")
        for _ in range(6):
            connection.sendall(bytes(answer.SLOWEST))
            time.sleep(0.1)

    assert len(read(listen(speak))) == 6 * answer.SLOWEST


@pytest.mark.usefixtures("impatient")
def test_the_time_of_the_reader_does_not_count(listen: Listen) -> None:
    url = listen(lambda connection: connection.sendall(OK + b"\r\n" + BODY))
    with Answer(url, {}) as reply:
        blocks = []
        for block in reply.blocks():
            blocks.append(block)
            time.sleep(0.2)
    assert b"".join(blocks) == BODY


def test_a_reader_that_leaves_ends_the_thread(listen: Listen) -> None:
    def endless(connection: socket.socket) -> None:
        connection.sendall(OK + b"\r\n")
        while True:
            connection.sendall(bytes(1 << 20))

    url = listen(endless)
    with Answer(url, {}) as reply:
        next(reply.blocks())
    (thread,) = [thread for thread in threading.enumerate() if thread.name == f"reads {url}"] or [None]
    if thread is not None:
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x", "gopher://x/"])
def test_a_redirection_to_anything_but_http_is_refused(listen: Listen, place: str) -> None:
    url = listen(lambda connection: connection.sendall(f"HTTP/1.1 302 Found\r\nLocation: {place}\r\n\r\n".encode()))
    with pytest.raises((DownloadError, urllib.error.HTTPError), match=r"expected an http://|not allowed") as error:
        read(url)
    getattr(error.value, "close", int)()


def test_redirections_in_a_circle_end(listen: Listen) -> None:
    url = listen(lambda connection: connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /file\r\n\r\n"))
    with pytest.raises(urllib.error.HTTPError, match="infinite loop") as error:
        read(url)
    error.value.close()
