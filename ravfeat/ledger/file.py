"""Read and append to ``ledger.jsonl``: under a lock, in one write, never changing a line that is whole.

A process that is killed while it writes leaves at most the beginning of one line. The next one that appends drops it,
and says so in its own line. Whoever reads needs no lock.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from ravfeat.errors import CacheError
from ravfeat.files import flush, read_limited
from ravfeat.ledger.line import Line, Try, parse_line

try:
    import fcntl
except ModuleNotFoundError:  # on Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["LEDGER_FILE", "Ledger", "append", "read_ledger"]

LEDGER_FILE = "ledger.jsonl"

_MAX_BYTES = 256 << 20
_THREADS = Lock()  # POSIX locks exclude other processes, not threads of the same one
_REMEDY = "name the folder that holds the caches of a corpus, such as cache/ravdess"


@dataclass(frozen=True)
class Ledger:
    """A ledger as it was read.

    Attributes
    ----------
    path : Path
    lines : tuple of Line
        Those that can be read, in their order.
    faults : tuple of str
        Where the chain is broken, each with the number of the line; empty for a whole one.
    torn_bytes : int
        Length of a last line that was not written whole.
    """

    path: Path
    lines: tuple[Line, ...]
    faults: tuple[str, ...] = ()
    torn_bytes: int = 0

    @property
    def first(self) -> str:
        """Digest of the first line, by which one ledger is told from another; empty where it cannot be read."""
        return self.lines[0].sha256 if self.lines and self.lines[0].number == 1 else ""

    def find(self, sha256: str) -> Line | None:
        """Give the line with a digest."""
        return next((line for line in self.lines if line.sha256 == sha256), None)


def read_ledger(path: Path) -> Ledger:
    """Read a ledger and check its chain.

    Parameters
    ----------
    path : Path
        Of the file.

    Raises
    ------
    CacheError
        Where it is missing, is no regular file, or has over 256 MiB. A broken chain is no error: see `Ledger.faults`.
    """
    *whole, rest = read_limited(path, _MAX_BYTES, CacheError, _REMEDY).split(b"\n")
    lines: list[Line] = []
    faults: list[str] = []
    end: _End | None = _START
    for place, data in enumerate(whole, start=1):
        line, fault = _checked(data, place, end)
        lines += [] if line is None else [line]
        faults += [fault] if fault else []
        # What follows a line that cannot be read is chained to something that nobody knows any more.
        end = None if line is None else _End(line.number + 1, line.sha256)
    if rest:  # whole but for its end, or torn
        line, fault = _checked(rest, len(whole) + 1, end)
        if line is not None and not fault:
            return Ledger(path, (*lines, line), tuple(faults))
    return Ledger(path, tuple(lines), tuple(faults), len(rest))


class _End(NamedTuple):
    """Where a ledger goes on: the number of the next line, and the digest that it is chained to."""

    number: int
    previous: str


_START = _End(1, "")


def _checked(data: bytes, place: int, end: _End | None) -> tuple[Line | None, str]:
    """Give a line where it can be read, and what is wrong with it."""
    try:
        line = parse_line(data, f"line {place}")
    except CacheError as error:
        return None, str(error)
    if end is not None and (line.number, line.previous) != end:
        before = "is not the first one that was written" if place == 1 else f"does not follow line {place - 1}"
        return line, f"line {place} {before}: a line before it was taken out, put in or changed"
    return line, ""


def append(path: Path, tried: Try) -> Line:
    """Write a try at the end of a ledger, which is made where there is none.

    Raises
    ------
    OSError
        Where nothing can be written there, or nothing be locked.
    CacheError
        Where the name is that of something else than a file, it has over 256 MiB, or the system has no locks.
    """
    with _locked(path) as handle:
        size = os.fstat(handle).st_size
        if size > _MAX_BYTES:
            raise CacheError(f"{path} has {size} bytes, expected at most {_MAX_BYTES}")
        # Not through a second handle: closing any handle of a file gives up the process's lock on it.
        body, _, rest = os.pread(handle, size, 0).rpartition(b"\n")
        end, joint = _end(body), b""
        if rest:
            unended, fault = _checked(rest, end.number, end)
            if unended is not None and not fault:  # somebody's editor took the end of the line away
                end, joint, rest = _End(end.number + 1, unended.sha256), b"\n", b""
            else:
                os.ftruncate(handle, size - len(rest))
        line = Line.of(tried, *end, len(rest))
        _write(handle, joint + line.encode(), size - len(rest))
    if not size:
        flush(path.parent)
    return line


def _end(body: bytes) -> _End:
    """Say where whole lines go on; `body` is without the end of the last one."""
    last = body.rpartition(b"\n")[2]
    if not body:
        return _START
    try:
        line = parse_line(last, "the last line")
    except CacheError:  # changed by hand: whoever reads the ledger is told; the next line goes on behind it
        return _End(body.count(b"\n") + 2, hashlib.sha256(last).hexdigest())
    return _End(line.number + 1, line.sha256)


def _write(handle: int, data: bytes, size: int) -> None:
    try:
        written = os.write(handle, data)
        if written < len(data):  # the disk is full
            raise OSError(errno.ENOSPC, f"only {written} of {len(data)} bytes of a line could be written")
        os.fsync(handle)
    except OSError:
        os.ftruncate(handle, size)
        raise


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Open a ledger for this thread of this process alone; others wait."""
    if fcntl is None:
        raise CacheError("a ledger is written under POSIX locks, which this system lacks")
    if path.exists() and not path.is_file():
        raise CacheError(f"{path} is not a regular file")
    with _THREADS:
        # Never through a link, which could lead to any file; not to wait where it is a pipe.
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise CacheError(f"{path} is not a regular file")
            fcntl.lockf(handle, fcntl.LOCK_EX)
            yield handle
        finally:
            os.close(handle)  # releases the lock
