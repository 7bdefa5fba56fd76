"""Write files atomically (temporary name, fsync, rename); check names, read and hash files; canonical JSON."""

import errno
import hashlib
import json
import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ravfeat.errors import RavfeatError

__all__ = [
    "canonical_json", "check_name", "describe_stand_in", "flush", "flush_folder", "passing_folder", "read_limited",
    "replace_file", "sha256_of", "user_folder",
]  # fmt: skip

_FLUSHES_AT_ONCE = 16
_STAND_INS = {
    b"version https://git-lfs": "is a Git LFS pointer, not the {0}; fetch it with 'git lfs pull' in its folder",
    b"/annex/objects/": "is a git-annex pointer, not the {0}; fetch it with 'git annex get' in its folder",
    b"<!doctype html": "is a web page, not the {0}; download it again",
    b"<html": "is a web page, not the {0}; download it again",
}
"""First bytes, in lower case, of text files that lie where another file should be."""
_MAX_NAME_BYTES = 200  # file systems take 255; folders of caches and heads join several names


def replace_file(path: Path, data: bytes | memoryview, *, time_ns: int | None = None) -> None:
    """Write a file atomically: at any time its name holds either the old or all of the new bytes.

    Parameters
    ----------
    path : Path
    data : bytes
    time_ns : int, optional
        When the file was changed, as far as the file system lets anyone say so; default now.

    Raises
    ------
    OSError
        From the system (disk full, no permission); the temporary file is removed.
    """
    # In the same folder, because a rename is only atomic within one file system; with host and process in the name,
    # because several machines may write to one shared folder.
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}-{os.getpid()}.tmp")
    # Made anew: what has the name already could be a link to any file.
    temporary.unlink(missing_ok=True)
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            # Before the rename: otherwise a power failure can leave the new name with no or only part of the data.
            os.fsync(file.fileno())
        if time_ns is not None:
            with suppress(OSError):  # some file systems of networks refuse it
                os.utime(temporary, ns=(time_ns, time_ns))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    # The rename itself is an entry of the folder, so it survives a power failure only after the folder's fsync.
    flush(path.parent)


def flush_folder(folder: Path) -> None:
    """Flush a folder to the disk, with every file and folder in it.

    Raises
    ------
    OSError
        As the system gives it.
    """
    # A disk writes its journal once for all flushes that wait at the same time: eight times as fast as one by one.
    with ThreadPoolExecutor(_FLUSHES_AT_ONCE) as pool:
        list(pool.map(flush, [*folder.rglob("*"), folder]))


def flush(path: Path) -> None:
    """Flush one file to the disk, or the names in a folder.

    Raises
    ------
    OSError
        As the system gives it.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems cannot flush a folder. Its files are flushed by themselves.
        if error.errno not in {errno.EINVAL, errno.ENOTSUP} or not path.is_dir():
            raise
    finally:
        os.close(handle)


def read_limited(path: Path, limit: int, error: type[RavfeatError], remedy: str) -> bytes:
    """Read a regular file of at most `limit` bytes.

    Raises
    ------
    RavfeatError
        Of the type `error`: where the file is missing, larger, or something else (a device or a pipe may never end).
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise error(f"{path} is not a regular file; {remedy}")
            if status.st_size > limit:
                raise error(f"{path} has {status.st_size} bytes, expected at most {limit}; {remedy}")
            return file.read(limit)
    except FileNotFoundError as missing:
        raise error(f"{path} is missing; {remedy}") from missing
    except OSError as problem:
        raise error(f"{path} cannot be read ({problem.strerror}); {remedy}") from problem


def _open_at_once(path: str, flags: int) -> int:
    # Not to wait for a writer where the name is a pipe's; for regular files it changes nothing.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def check_name(name: str, what: str, error: type[RavfeatError], remedy: str) -> str:
    r"""Check a text from outside that becomes the name of a file or folder, or a part of one, and return it.

    Parameters
    ----------
    name : str
    what : str
        What it names and where it stands; begins the message.
    error : type of RavfeatError
        What to raise.
    remedy : str
        What to do; ends the message.

    Raises
    ------
    RavfeatError
        Of the type `error`: for a name that is empty, is longer than 200 bytes, begins with a dot, or has a ``/``, a
        ``\``, or characters that are not printed: such a name could lead out of the folder that it belongs in.

    Examples
    --------
    >>> check_name("wavlm-large+logmel@corpus-normalised", "the encoder", RavfeatError, "rename it")
    'wavlm-large+logmel@corpus-normalised'
    """
    long = len(name.encode("utf-8", "replace")) > _MAX_NAME_BYTES
    if long or not name.strip() or name.startswith(".") or not name.isprintable() or set(name) & {"/", "\\"}:
        raise error(
            f"{what} is {name[:60]!a}, expected a plain name: no '/' or '\\', no control characters, no dot in"
            f" front, at most {_MAX_NAME_BYTES} bytes; {remedy}"
        )
    return name


def describe_stand_in(path: Path, what: str) -> str:
    """Recognise a pointer of Git LFS or git-annex, or a web page, in place of a file.

    Parameters
    ----------
    path : Path
        A regular file.
    what : str
        What it should be, such as ``recording``.

    Returns
    -------
    str
        What it is and what to do; empty where it is none of these.

    Raises
    ------
    OSError
        Where the system cannot read it.
    """
    with path.open("rb") as file:
        head = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return next((text.format(what) for start, text in _STAND_INS.items() if head.startswith(start)), "")


def sha256_of(path: Path) -> str:
    """Compute the SHA-256 of a regular file, read in blocks.

    Raises
    ------
    OSError
        From the system; for a device or a pipe, which may never end.
    """
    with open(path, "rb", opener=_open_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        return hashlib.file_digest(file, "sha256").hexdigest()


def user_folder(what: str) -> Path:
    """Return where this user keeps what was fetched: below ``RAVFEAT_CACHE_HOME``, else below the cache folder.

    Parameters
    ----------
    what : str
        Such as ``models``.
    """
    if chosen := os.environ.get("RAVFEAT_CACHE_HOME", ""):
        return Path(chosen).expanduser().absolute() / what
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # A relative path in this variable is to be ignored, says the XDG specification.
    return (named if named.is_absolute() else Path.home() / ".cache") / "ravfeat" / what


@contextmanager
def passing_folder(what: str) -> Iterator[Path]:
    """Give a new folder below `user_folder`; it is removed at the end, with all that is in it."""
    parent = user_folder(what)
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        yield Path(folder)


def canonical_json(value: Any) -> str:
    """Serialise plain values so that equal values give equal text; used for digests."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
