"""Allocate arrays in memory, or in an unlinked memory-mapped file where they are larger than what was allowed."""

import errno
import logging
import mmap
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ravfeat.errors import CacheError
from ravfeat.resources import attempt, memory_budget

__all__ = ["allocate_array", "features_budget"]

_log = logging.getLogger(__name__)
_VARIABLE = "TMPDIR"
_BLOCK = 1 << 24


def features_budget() -> int:
    """Give the bytes that features may take of `ravfeat.resources.memory_budget`; heads need the other half."""
    return memory_budget() // 2


def allocate_array(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Make an array that is to be filled.

    What does not fit lies in a temporary file without a name, mapped: the system keeps in memory what fits, and
    the file is gone with the process, however that ends.

    Raises
    ------
    CacheError
        Where the disk has no room for the file.
    """
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if size <= features_budget():
        array = attempt(lambda: np.empty(shape, dtype))
        if not isinstance(array, MemoryError):
            return array
    folder = _scratch()
    _log.info("features of %.1f GB are kept in a temporary file in %s", size / 1e9, folder)
    with tempfile.TemporaryFile(dir=folder) as file:
        # Reserved before it is mapped: a full disk is an error here, and a SIGBUS in the middle of training otherwise.
        try:
            _reserve(file.fileno(), size)
        except OSError as error:
            raise CacheError(
                f"features of {size / 1e9:.1f} GB do not fit into the memory allowed, and {folder} has no room for them"
                f" ({error.strerror}); allow more memory, or name another folder with {_VARIABLE}"
            ) from error
        # The mapping outlives the file object; without a name, the disk gets its room back when the array is gone.
        mapped = mmap.mmap(file.fileno(), size)
    return np.frombuffer(mapped, dtype).reshape(shape)


def _reserve(handle: int, size: int) -> None:
    """Make a file of this size whose blocks exist."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(handle, 0, size)
        except OSError as error:
            if error.errno not in {errno.EOPNOTSUPP, errno.EINVAL}:
                raise
        else:
            return
    # macOS has no such call, and some file systems do not support it: blocks that are written do exist.
    zeros = memoryview(bytes(min(size, _BLOCK)))
    while size:
        size -= os.write(handle, zeros[:size])


def _scratch() -> Path:
    # /tmp may be memory itself; /var/tmp is for what is large.
    large = Path("/var/tmp")
    if not os.environ.get(_VARIABLE) and large.is_dir() and os.access(large, os.W_OK):
        return large
    return Path(tempfile.gettempdir())
