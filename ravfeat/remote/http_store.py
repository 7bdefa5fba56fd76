"""A folder of a web server as a store, to be read only; also a record of Zenodo."""

import http.client
import re
import urllib.error
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from urllib.parse import quote, urlsplit

from typing_extensions import TypedDict

from ravfeat.documents import Bytes, parse_json
from ravfeat.download.answer import Answer
from ravfeat.errors import DownloadError, RemoteError
from ravfeat.escape import printable
from ravfeat.remote.base import MissingFileError, NoRangesError, PassingError, Store, shown

__all__ = ["HttpStore", "fetch", "http_store", "stream"]

_RECORD = re.compile(r"https?://zenodo\.org/records?/(\d+)/?")
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_LISTING_LIMIT = 16 << 20


class HttpStore(Store):
    """Files of a web server.

    Parameters
    ----------
    address : str
    url_of : callable
        Gives the address of a file.
    """

    def __init__(self, address: str, url_of: Callable[[str], str]) -> None:
        super().__init__(shown(address))
        self._url_of = url_of

    def _sizes(self) -> dict[str, int]:
        raise RemoteError(f"{self.address}: a web server lists no files; name the files that are wanted")

    def _read(self, name: str, start: int, stop: int | None) -> bytes:
        return fetch(self._url_of(name), f"{self.address}/{name}", {}, start, stop)

    def _stream(self, name: str, start: int, stop: int) -> Iterator[bytes]:
        return stream(self._url_of(name), f"{self.address}/{name}", {}, start, stop)

    def _read_whole(self, name: str, limit: int) -> bytes:
        return fetch(self._url_of(name), f"{self.address}/{name}", {}, limit=limit)


def http_store(address: str) -> HttpStore:
    """Open a folder of a web server, or a record of Zenodo (``https://zenodo.org/records/N``)."""
    if not urlsplit(address).hostname:
        raise RemoteError(f"{address[:200]!a} is no address of a folder; expected https://HOST/FOLDER")
    if "@" in urlsplit(address).netloc:
        raise RemoteError(f"{shown(address)}: user and password in an address are not sent; leave them out")
    if record := _RECORD.fullmatch(address):
        return ZenodoStore(record[1])
    base, _, query = address.partition("?")
    end = f"?{query}" if query else ""  # signed addresses carry their signature there
    return HttpStore(address, partial(_url, f"{base.rstrip('/')}/", end))


def _url(front: str, end: str, name: str) -> str:
    return f"{front}{quote(name)}{end}"


class _ZenodoFile(TypedDict):
    key: str
    size: Bytes


class _ZenodoRecord(TypedDict):
    files: list[_ZenodoFile]


class ZenodoStore(HttpStore):
    """The files of a record of Zenodo; a record never changes."""

    def __init__(self, record: str, host: str = "https://zenodo.org") -> None:
        address = f"{host}/records/{record}"
        super().__init__(address, partial(_url, f"{address}/files/", "?download=1"))
        self._listing = f"{host}/api/records/{record}"

    def _sizes(self) -> dict[str, int]:
        data = fetch(self._listing, self._listing, {"Accept": "application/json"}, limit=_LISTING_LIMIT)
        remedy = "check the number of the record"
        record = parse_json(data, _ZenodoRecord, self._listing, RemoteError, remedy)
        return {file["key"]: file["size"] for file in record["files"]}


def fetch(
    url: str,
    where: str,
    headers: Mapping[str, str],
    start: int = 0,
    stop: int | None = None,
    *,
    limit: int | None = None,
) -> bytes:
    """Read a file of a web server, or a range of its bytes, with one request.

    Parameters
    ----------
    url : str
    where : str
        What it is, for messages.
    headers : mapping
        Of the request.
    start, stop : int
        First byte, and the one after the last; None for the end.
    limit : int, optional
        At most so many bytes are read, and one more.

    Raises
    ------
    MissingFileError, NoRangesError, RemoteError
        See `Store.read`.
    """
    ranged = start > 0 or stop is not None
    wanted = {"Range": f"bytes={start}-{'' if stop is None else stop - 1}"} if ranged else {}
    most = stop - start if stop is not None else limit
    data = bytearray()
    for block in _blocks(url, where, {**headers, **wanted}, start if ranged else None, most):
        data += block
    if most is not None:
        del data[most + 1 :]  # in place: it may be a gigabyte
    return bytes(data)


def stream(url: str, where: str, headers: Mapping[str, str], start: int, stop: int) -> Iterator[bytes]:
    """Read a range of bytes of a file of a web server as it comes, with one request; as `fetch`."""
    wanted = {"Range": f"bytes={start}-{stop - 1}"}
    return _blocks(url, where, {**headers, **wanted}, start, stop - start)


def _blocks(url: str, where: str, headers: Mapping[str, str], start: int | None, most: int | None) -> Iterator[bytes]:
    """Yield what comes, until it is more than `most`."""
    came = 0
    # Not as another form of the file, which would be other bytes.
    with _errors(where), Answer(url, {"Accept-Encoding": "identity", **headers}) as answer:
        given = (answer.headers.get("Content-Range") or "").strip().lower()
        if start is not None and not given.startswith(f"bytes {start}-"):
            raise NoRangesError(f"{where}: the server gives whole files only, no ranges of bytes")
        announced = (answer.headers.get("Content-Length") or "").strip()
        for block in answer.blocks():
            came += len(block)
            yield block
            if most is not None and came > most:
                break
    if announced.isdecimal() and came < int(announced[:20]) and (most is None or came < most):
        raise PassingError(f"{where} broke off after {came} of {announced[:20]} bytes; run this again")


@contextmanager
def _errors(where: str) -> Iterator[None]:
    try:
        yield
    except urllib.error.HTTPError as error:
        error.close()
        raise _of_status(where, error.code, str(error.reason)) from error
    except DownloadError as error:
        raise RemoteError(str(error)) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise PassingError(
            f"{where} could not be reached ({str(reason)[:200]}); check the network and run this again"
        ) from error


def _of_status(where: str, code: int, reason: str) -> RemoteError:
    answered = f"the server answered {code} {printable(reason[:80])}"
    if code in {401, 403}:
        return RemoteError(
            f"{where}: access refused ({answered}); log in ('hf auth login', HF_TOKEN), or ask for access"
        )
    if code in {404, 410}:
        return MissingFileError(f"{where} is not there ({answered}); check the address")
    if code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return RemoteError(f"{where} is shorter than it should be ({answered}): it was changed; run this again")
    if code in _PASSING:
        return PassingError(f"{where} cannot be read now ({answered}); wait and run this again")
    return RemoteError(f"{where} cannot be read ({answered}); check the address")
