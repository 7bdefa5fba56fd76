"""Files that are whole or not there, and what a file's bytes add up to."""

import hashlib
import json
import os
import socket
from pathlib import Path
from typing import Any

__all__ = ["canonical_json", "replace_file", "sha256_of"]


def replace_file(path: Path, data: bytes | memoryview) -> None:
    """Write a file so that its name holds either the old bytes or all of the new ones.

    Writes to a temporary name in the same folder, flushes it to the disk, renames.

    Raises
    ------
    OSError
        As the system gives it (disk full, no permission); the temporary file is gone then.
    """
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}-{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    # A rename is on the disk only when the folder is.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_of(path: Path) -> str:
    """Give the SHA-256 of a file's bytes, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical_json(value: Any) -> str:
    """Serialise plain values so that equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
