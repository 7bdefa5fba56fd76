"""Folders of blocks of remote caches: held while somebody reads them, deleted when nobody does or did for long."""

import os
import re
import shutil
import time
import weakref
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ModuleNotFoundError:  # on Windows, where one process reads a remote cache at a time
    fcntl = None  # type: ignore[assignment]

__all__ = ["UNUSED_DAYS", "HeldBlocks", "delete_unused"]

UNUSED_DAYS = 30
"""Blocks that nobody opened for so many days are deleted."""

_NAME = re.compile("[0-9a-f]{20}")
_LOCK = Path(".blocks", "used.lock")


class HeldBlocks:
    """A folder of blocks that nobody deletes while this object lives.

    Parameters
    ----------
    folder : Path
        Made where it is not there.

    Raises
    ------
    OSError
        As the system gives it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        while not self._take():
            pass  # whoever held it has just deleted it

    def _take(self) -> bool:
        path = self._folder / _LOCK
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # deleted since the folder was made
            return False
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_SH)
        if not _is_at(path, handle):
            os.close(handle)
            return False
        os.utime(path)  # when it was last used
        self._handle = handle
        weakref.finalize(self, os.close, handle)
        return True

    def are_there(self) -> bool:
        """Whether the folder is still the one that is held: a user may delete it at any time."""
        return _is_at(self._folder / _LOCK, self._handle)

    def delete(self) -> None:
        """Delete the folder, unless others read it too."""
        if _is_alone(self._handle):
            shutil.rmtree(self._folder, ignore_errors=True)
        elif fcntl is not None:
            fcntl.flock(self._handle, fcntl.LOCK_SH)  # which a failed attempt may have lost


def delete_unused(home: Path) -> None:
    """Delete the folders of blocks that nobody opened for `UNUSED_DAYS` days; nothing else in `home` is touched."""
    oldest = time.time() - UNUSED_DAYS * 86400
    with suppress(OSError):
        for folder in list(home.iterdir()):
            if _NAME.fullmatch(folder.name) and not folder.is_symlink():
                _delete_older(folder, oldest)


def _delete_older(folder: Path, oldest: float) -> None:
    with suppress(OSError):  # another user's, or already gone
        if (folder / _LOCK).stat().st_mtime >= oldest:
            return
        handle = os.open(folder / _LOCK, os.O_RDWR)
        try:
            if _is_alone(handle) and (folder / _LOCK).stat().st_mtime < oldest:
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(handle)


def _is_alone(handle: int) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False
