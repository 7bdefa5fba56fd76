"""Write files atomically (temporary name, fsync, rename); hash files; canonical JSON."""

import errno
import hashlib
import json
import os
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ravfeat.errors import RavfeatError

__all__ = ["canonical_json", "flush", "flush_folder", "read_limited", "replace_file", "sha256_of"]

_FLUSHES_AT_ONCE = 16


def replace_file(path: Path, data: bytes | memoryview) -> None:
    """Write a file atomically: at any time its name holds either the old or all of the new bytes.

    Raises
    ------
    OSError
        From the system (disk full, no permission); the temporary file is removed.
    """
    # In the same folder, because a rename is only atomic within one file system; with host and process in the name,
    # because several machines may write to one shared folder.
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}-{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            # Before the rename: otherwise a power failure can leave the new name with no or only part of the data.
            os.fsync(file.fileno())
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
        # Not to wait for a writer where the name is a pipe's; for regular files it changes nothing.
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:  # noqa: PTH123 (a handle)
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


def sha256_of(path: Path) -> str:
    """Compute the SHA-256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical_json(value: Any) -> str:
    """Serialise plain values so that equal values give equal text; used for digests."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
