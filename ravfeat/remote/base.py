"""What every store of remote files offers: sizes, reads of byte ranges, whole writes; names, retries, errors."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from time import sleep
from typing import TypeVar
from urllib.parse import urlsplit

from ravfeat.errors import RemoteError
from ravfeat.escape import printable
from ravfeat.files import check_name

__all__ = [
    "WAITS_S", "DamagedError", "MissingFileError", "NoRangesError", "PassingError", "Store", "check_size",
    "checked_name", "is_plain", "shown",
]  # fmt: skip

WAITS_S = [0.5, 2.0, 5.0]
"""Seconds before each repetition of what failed and can pass: a connection that broke, a server that is busy."""

WHOLE_LIMIT = 4 << 30
"""Largest file or range in bytes that is read at once, into memory."""

_STREAM_BYTES = 32 << 20
"""Of a range that is read piece by piece, with a request for each."""

T = TypeVar("T")


class MissingFileError(RemoteError):
    """There is no such file at the address."""


class NoRangesError(RemoteError):
    """The server gives whole files only."""


class PassingError(RemoteError):
    """What may go well the next time."""


class DamagedError(RemoteError):
    """What lies there is not what its digests say."""


class Store(ABC):
    """One flat folder of files at an address; see `ravfeat.remote.store.open_store`.

    Attributes
    ----------
    address : str
        For people: without credentials.
    place : str
        The same without a revision.
    """

    def __init__(self, address: str, place: str = "") -> None:
        self.address = address
        self.place = place or address

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.address}>"

    def version(self) -> str:
        """Return the commit that is read; empty where the store keeps no versions."""
        return ""

    def sizes(self) -> dict[str, int]:
        """List the files by name, with their bytes; ``a/b.json`` in a folder within. Hidden names are left out.

        Raises
        ------
        RemoteError
            Where it cannot be listed; web servers list nothing.
        """
        return {name: size for name, size in sorted(self._retried(self._sizes).items()) if is_plain(name)}

    def read(self, name: str, start: int = 0, stop: int | None = None) -> bytes:
        """Read a file, or a range of its bytes with one request.

        Parameters
        ----------
        name : str
        start, stop : int
            First byte, and the one after the last; None for the end of the file.

        Raises
        ------
        MissingFileError
            Where there is no such file.
        NoRangesError
            Where the server gives whole files only.
        RemoteError
            Without network or permission, and where fewer bytes come than were asked for.
        """
        checked_name(name, self.address)
        if stop is None and not start:
            return self.read_whole(name, WHOLE_LIMIT)
        if stop is not None:
            check_size(self.address, name, stop - start)
        data = self._retried(lambda: self._read(name, start, stop))
        if stop is not None and len(data) != stop - start:
            raise self._other_size(name, len(data), start, stop)
        return data

    def stream(self, name: str, start: int, stop: int) -> Iterator[bytes]:
        """Read a range of bytes as it comes, with one request where the store can; errors as `read`.

        What breaks off goes on where it was.
        """
        checked_name(name, self.address)
        waits, at = iter(WAITS_S), start
        while at < stop:
            try:
                for block in self._stream(name, at, stop):
                    at += len(block)
                    if at > stop:
                        break
                    yield block
            except PassingError:
                wait_s = next(waits, None)
                if wait_s is None:
                    raise
                sleep(wait_s)
                continue
            if at != stop:
                raise self._other_size(name, at - start, start, stop)

    def _other_size(self, name: str, size: int, start: int, stop: int) -> RemoteError:
        than = "longer" if size > stop - start else "shorter"
        return RemoteError(
            f"{self.address}/{name} gave {size} of {stop - start} bytes from byte {start} on: it is {than} than it"
            " should be, or was changed; run this again, and ask its owner if that does not help"
        )

    def read_whole(self, name: str, limit: int) -> bytes:
        """Read a file of at most `limit` bytes; errors as `read`, and where it is larger."""
        checked_name(name, self.address)
        limit = min(limit, WHOLE_LIMIT)
        data = self._retried(lambda: self._read_whole(name, limit))
        if len(data) > limit:
            raise RemoteError(
                f"{self.address}/{name} has more than the {limit} bytes expected; it is damaged, or no such file"
            )
        return data

    def write(self, name: str, data: bytes | Path, *, new: bool = False) -> bool:
        """Write a file whole, or not at all.

        Parameters
        ----------
        name : str
        data : bytes or Path
            Contents, or the local file that holds them.
        new : bool
            Only where there is no such file, decided by the store itself where it can.

        Returns
        -------
        bool
            False where `new`, and the file was there already.

        Raises
        ------
        RemoteError
            Without network or permission, a full disk, or where nothing can be written at such an address.
        """
        checked_name(name, self.address)
        return self._retried(lambda: self._write(name, data, new=new))

    def write_all(self, files: Mapping[str, bytes | Path], message: str) -> None:
        """Write several files; a hub gets one commit with the message."""
        for name, data in files.items():
            self.write(name, data)

    def delete(self, name: str) -> None:
        """Delete a file; nothing happens where there is none."""
        checked_name(name, self.address)
        self._retried(lambda: self._delete(name))

    @abstractmethod
    def _sizes(self) -> dict[str, int]: ...

    @abstractmethod
    def _read(self, name: str, start: int, stop: int | None) -> bytes: ...

    def _stream(self, name: str, start: int, stop: int) -> Iterator[bytes]:
        for at in range(start, stop, _STREAM_BYTES):
            yield self._read(name, at, min(at + _STREAM_BYTES, stop))

    @abstractmethod
    def _read_whole(self, name: str, limit: int) -> bytes:
        """Read at most one byte more than the limit."""

    def _write(self, name: str, data: bytes | Path, *, new: bool) -> bool:
        raise RemoteError(f"{self.address}: nothing can be written there; give a folder, hf:// or s3://")

    def _delete(self, name: str) -> None:
        raise RemoteError(f"{self.address}: nothing can be deleted there")

    def _retried(self, call: Callable[[], T]) -> T:
        for wait_s in WAITS_S:
            try:
                return call()
            except PassingError:
                sleep(wait_s)
        return call()


def check_size(address: str, name: str, n_bytes: int, limit: int = WHOLE_LIMIT) -> None:
    """Refuse to take more bytes into memory at once than a limit: a table of a stranger may say anything.

    Raises
    ------
    RemoteError
    """
    if n_bytes > limit:
        raise RemoteError(f"{address}/{name}: {n_bytes} bytes at once are more than are ever read")


def checked_name(name: str, address: str) -> str:
    """Check the name of a remote file, at most two folders deep, and return it.

    Raises
    ------
    RemoteError
        Where it could lead out of the folder, or is hidden.
    """
    parts = name.split("/", 2)
    for part in parts:
        check_name(part, f"a file's name at {address}", RemoteError, "nothing with such a name is read or written")
    return name


def is_plain(name: str) -> bool:
    """Whether a name passes `checked_name`."""
    try:
        checked_name(name, "")
    except RemoteError:
        return False
    return True


def shown(address: str) -> str:
    """Return an address without user, password and query, and without the slash at its end."""
    parts = urlsplit(address)
    if not parts.scheme or not parts.netloc:
        return printable(address.rstrip("/") or address)
    host = parts.netloc.rpartition("@")[2] if parts.scheme != "hf" else parts.netloc
    return printable(f"{parts.scheme}://{host}{parts.path}".rstrip("/"))
