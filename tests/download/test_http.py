"""Servers that announce or send something else than what was promised."""

import hashlib
import os
import socket
from pathlib import Path

import pytest

from ravfeat.download import answer, http
from ravfeat.download.http import Checksum, read_json, transfer
from ravfeat.errors import DownloadError
from tests.download.conftest import Listen, Speak

OK = b"HTTP/1.1 200 OK\r\n"
BODY = bytes(range(256)) * 4000
SUM = Checksum("sha256", hashlib.sha256(BODY).hexdigest())


def saying(data: bytes) -> Speak:
    return lambda connection: connection.sendall(data)


def chunked(data: bytes) -> bytes:
    return b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data)


@pytest.mark.parametrize("size", [None, len(BODY)])
@pytest.mark.parametrize("head", [b"\r\n" + BODY, chunked(BODY), b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY])
def test_files_arrive_with_and_without_a_length(listen: Listen, tmp_path: Path, head: bytes, size: int | None) -> None:
    assert transfer(listen(saying(OK + head)), tmp_path / "file", SUM, size=size)
    assert (tmp_path / "file").read_bytes() == BODY


@pytest.mark.parametrize("length", ["abc", "-5", "", "1.5", "0x10", "1e3", "٣", "5 5"])
def test_a_length_that_is_none_is_refused(listen: Listen, tmp_path: Path, length: str) -> None:
    url = listen(saying(OK + f"Content-Length: {length}\r\n\r\n".encode() + BODY))
    with pytest.raises(DownloadError, match=r"expected a length in bytes, the server announces '.*; fetch .* by hand"):
        transfer(url, tmp_path / "file", SUM)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("length", ["2000000", "9" * 5000])
def test_more_than_promised_is_refused_before_it_comes(listen: Listen, tmp_path: Path, length: str) -> None:
    url = listen(saying(OK + f"Content-Length: {length}\r\n\r\n".encode() + BODY))
    with pytest.raises(DownloadError, match=r"expected at most 1024000 bytes, the server announces \d+"):
        transfer(url, tmp_path / "file", SUM, size=len(BODY))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("head", [b"\r\n" + BODY + b"more", chunked(BODY + b"more")])
def test_more_than_promised_is_removed(listen: Listen, tmp_path: Path, head: bytes) -> None:
    with pytest.raises(DownloadError, match=r"gave more than the 1024000 bytes expected; they were removed"):
        transfer(listen(saying(OK + head)), tmp_path / "file", SUM, size=len(BODY))
    assert not list(tmp_path.iterdir())


def test_without_a_promise_there_is_a_limit(listen: Listen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(connection: socket.socket) -> None:
        connection.sendall(OK + b"\r\n")
        while True:
            connection.sendall(BODY)

    monkeypatch.setattr(http, "LIMIT", 10 << 20)
    with pytest.raises(DownloadError, match="gave more than the 10485760 bytes expected"):
        transfer(listen(endless), tmp_path / "file", SUM)
    assert not list(tmp_path.iterdir())
    url = listen(saying(OK + b"Content-Length: 10485761\r\n\r\n"))
    with pytest.raises(DownloadError, match="expected at most 10485760 bytes, the server announces 10485761"):
        transfer(url, tmp_path / "file", SUM)


def test_what_came_slowly_is_kept_and_continued(
    listen: Listen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stall(connection: socket.socket) -> None:
        connection.sendall(OK + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY[:100_000])
        connection.recv(1)

    monkeypatch.setattr(answer, "WINDOW_S", 0.3)
    with pytest.raises(DownloadError, match=r"could not be read: only \d+ bytes came in 0 s; check the network"):
        transfer(listen(stall), tmp_path / "file", SUM, size=len(BODY))
    (part,) = tmp_path.iterdir()
    assert part.read_bytes() == BODY[:100_000]
    rest = BODY[100_000:]
    head = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 100000-1023999/1024000\r\nContent-Length: %d\r\n\r\n"
    assert transfer(listen(saying(head % len(rest) + rest)), tmp_path / "file", SUM, size=len(BODY))
    assert (tmp_path / "file").read_bytes() == BODY


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")])
@pytest.mark.parametrize("name", ["file", f"file.{SUM.digest[:8]}.part"])
def test_a_name_that_is_taken_by_something_else_is_refused(tmp_path: Path, name: str, make) -> None:
    make(tmp_path / name)
    with pytest.raises(DownloadError, match=rf"{name} is in the way and is no regular file"):
        transfer("http://127.0.0.1:9/", tmp_path / "file", SUM)


@pytest.mark.parametrize(
    "url", ["http://[", "http://a b/", "http://127.0.0.1:port/", "http://\n/", "http://" + "a" * 70]
)
def test_an_address_that_is_none_is_one_sentence(tmp_path: Path, url: str) -> None:
    with pytest.raises(DownloadError, match="could not be read") as error:
        transfer(url, tmp_path / "file", SUM)
    assert "by hand" in str(error.value)


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"HTTP/9 x\r\n", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200, b"no" * 70_000]
)
def test_an_answer_that_is_no_http_is_one_sentence(listen: Listen, tmp_path: Path, data: bytes) -> None:
    with pytest.raises(DownloadError, match=r"could not be read|answered"):
        transfer(listen(saying(data)), tmp_path / "file", SUM)


@pytest.mark.parametrize(
    ("body", "match"),
    [
        (b"[]", r"it is \[\], expected an object; by hand"),
        (b'{"a": "x"}', r'a is "x", expected a whole number; by hand'),
        (b'{"a": 1', "is not valid JSON .*; by hand"),
        (b"[" * 1_000_000, "nested too deeply.*; by hand"),
        (b'"' + b"x" * (17 << 20), "expected a JSON document, got over 16777216 bytes; by hand"),
    ],
)
def test_a_document_that_does_not_fit_is_named(listen: Listen, body: bytes, match: str) -> None:
    with pytest.raises(DownloadError, match=match):
        read_json(listen(saying(OK + b"\r\n" + body)), dict[str, int], "by hand")
