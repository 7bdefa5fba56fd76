"""HTTP servers on this machine: started for a test, answering ranges, with faults to switch on."""

import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

PIECE = 1 << 20


@dataclass
class Faults:
    """What a server does wrong while files are read."""

    ignore_ranges: bool = False
    drop_after: int | None = None
    """Bytes of a file's answer after which the connection is dropped."""
    drops: int | None = None
    """How many answers are dropped before all goes well again; None: every one."""
    statuses: list[int] = field(default_factory=list)
    """Statuses with which the next answers for files fail, one each."""

    def limit(self, n_bytes: int) -> int:
        """How many bytes of an answer are sent."""
        if self.drop_after is None or n_bytes <= self.drop_after or self.drops == 0:
            return n_bytes
        if self.drops is not None:
            self.drops -= 1
        return self.drop_after


@dataclass
class Request:
    """A request that a server was asked, and what it answered."""

    method: str
    path: str
    wanted_range: str | None
    status: int = 0
    sent: int = 0
    """Bytes of the answer's body."""


@dataclass
class Server:
    """What every server of the tests keeps: its address, what it was asked, how it misbehaves."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)

    def sent(self) -> int:
        """Bytes of all bodies that were sent."""
        return sum(request.sent for request in self.requests)


class Handler(http.server.BaseHTTPRequestHandler):
    """One request: recorded, then answered by a subclass's `answer`."""

    server_state: Any
    request_record: Request

    def handle_any(self) -> None:
        self.request_record = Request(self.command, self.path, self.headers.get("Range"))
        self.server_state.requests.append(self.request_record)
        self.answer()

    do_HEAD = do_GET = do_POST = do_PUT = do_DELETE = handle_any

    def answer(self) -> None:
        raise NotImplementedError

    def reply(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """Send an answer whole."""
        self.start(status, len(body), headers or {})
        if self.command != "HEAD":
            self.count_and_write(body)

    def start(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.request_record.status = status
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def reply_file(self, content: bytes | Path, headers: dict[str, str] | None = None) -> None:
        """Send a file, or the range of it that is asked for, with the server's faults."""
        faults: Faults = self.server_state.faults
        if faults.statuses:
            self.reply(faults.statuses.pop(0), b"a fault")
            return
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        wanted = None if faults.ignore_ranges else byte_range(self.headers.get("Range"), size)
        if wanted is not None and wanted[0] >= max(size, 1):
            self.reply(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers={"Content-Range": f"bytes */{size}"})
            return
        start, stop = wanted or (0, size)
        found = {"Accept-Ranges": "bytes"} | (headers or {})
        if wanted is not None:
            found["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        self.start(HTTPStatus.PARTIAL_CONTENT if wanted else HTTPStatus.OK, stop - start, found)
        if self.command != "HEAD":
            self.send_bytes(content, start, start + faults.limit(stop - start))

    def send_bytes(self, content: bytes | Path, start: int, stop: int) -> None:
        if isinstance(content, bytes):
            self.count_and_write(content[start:stop])
            return
        with content.open("rb") as file:
            file.seek(start)
            while start < stop:
                piece = file.read(min(PIECE, stop - start))
                self.count_and_write(piece)
                start += len(piece)

    def count_and_write(self, piece: bytes) -> None:
        self.request_record.sent += len(piece)  # before: the client may look as soon as it has them
        self.wfile.write(piece)

    def body(self) -> bytes:
        """What came with the request, with a length or in chunks."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


def byte_range(text: str | None, size: int) -> tuple[int, int] | None:
    """The half-open range of a Range header, of a file of a size; None where there is none."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", text or "")
    if match is None or match[0] == "bytes=-":
        return None
    if not match[1]:
        return max(size - int(match[2]), 0), size
    return int(match[1]), min(int(match[2]) + 1, size) if match[2] else size


@contextmanager
def serving(handler: type[Handler], state: Any) -> Iterator[None]:
    """Answer on a free port, in threads, while the block runs; the state learns the address."""
    bound = type("BoundHandler", (handler,), {"server_state": state})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), bound) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
