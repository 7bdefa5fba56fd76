"""Read an HTTP answer block by block; it ends where too little comes for too long.

The network is read in a thread: no timeout of a socket ends a server that sends a byte a minute, be it in a header, and
looking up a name has no timeout at all.
"""

import http.client
import urllib.request
from collections.abc import Iterator, Mapping
from email.message import Message
from queue import Empty, Queue
from threading import Event, Thread
from time import monotonic
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import urlsplit

from ravfeat.errors import DownloadError

__all__ = ["Answer"]

CHUNK = 1 << 18
TIMEOUT_S = 60.0
WINDOW_S = 120.0
SLOWEST = 64 << 10
"""Fewest bytes that must come within `WINDOW_S` of waiting."""


class Answer:
    """An answer of a server; use it in a ``with`` block.

    Parameters
    ----------
    url : str
        ``http://`` or ``https://``; redirections to other kinds of addresses are refused.
    headers : mapping of str to str
        Of the request.

    Attributes
    ----------
    headers : http.client.HTTPMessage

    Raises
    ------
    DownloadError
        Where the address, or one that it redirects to, is of another kind.
    OSError, http.client.HTTPException, ValueError
        As `urllib` gives them; `TimeoutError` where the answer is too slow.
    """

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._items: Queue[Message | bytes | BaseException] = Queue(maxsize=4)
        self._left = Event()
        self._waited_s, self._came = 0.0, 0
        Thread(target=self._read, args=(url, headers), name=f"reads {url}", daemon=True).start()
        self.headers = cast("Message", self._next())  # the first item is never a block

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # The thread may wait for room for one more block; it then sees that nobody reads on.
        self._left.set()
        while not self._items.empty():
            self._items.get_nowait()

    def blocks(self) -> Iterator[bytes]:
        """Yield what comes, until the end of the answer; as it breaks off, where it does."""
        while isinstance(block := self._next(), bytes) and block:
            yield block

    def _next(self) -> Message | bytes:
        started = monotonic()
        try:
            item = self._items.get(timeout=max(0.0, WINDOW_S - self._waited_s))
        except Empty:
            raise TimeoutError(f"only {self._came} bytes came in {WINDOW_S:.0f} s") from None
        if isinstance(item, BaseException):
            raise item
        # Only waiting counts, not the time in which the disk is written.
        self._waited_s += monotonic() - started
        self._came += len(item) if isinstance(item, bytes) else 0
        if self._came >= SLOWEST:
            self._waited_s, self._came = 0.0, 0
        return item

    def _read(self, url: str, headers: Mapping[str, str]) -> None:
        try:
            with _open(url, headers) as response:
                self._items.put(response.headers)
                while (block := _block(response)) and not self._left.is_set():
                    self._items.put(block)
            self._items.put(b"")
        except BaseException as error:  # noqa: BLE001 (raised again where it is read)
            self._items.put(error)


def _block(response: http.client.HTTPResponse) -> bytes:
    """Read what has come; an answer that ends early ends here, too."""
    try:
        return response.read1(CHUNK)
    except http.client.IncompleteRead as error:
        return error.partial


def _open(url: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
    _check_address(url)
    request = urllib.request.Request(url, headers={"User-Agent": "ravfeat", **headers})
    opener = urllib.request.build_opener(_Redirections)
    response: http.client.HTTPResponse = opener.open(request, timeout=TIMEOUT_S)
    return response


def _check_address(url: str) -> None:
    if not url.startswith(("http://", "https://")):
        raise DownloadError(f"expected an http:// or https:// address, got {url!r}")


class _Redirections(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        try:
            _check_address(newurl)
        except DownloadError:
            fp.close()
            raise
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        # A token is meant for the server that was asked, not for the one that it names.
        if request is not None and urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:
            request.remove_header("Authorization")
        return request
