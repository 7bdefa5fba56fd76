"""Locks between processes that write one cache: byte-range locks on one small file.

Byte 0 guards manifest and index (held briefly; others wait for it); byte n + 1 guards shard n (held for a whole
run; others fail at once); a byte beyond them is of the process that hands shards out to others. The system releases
them when a process ends, however it ends, so a killed run leaves nothing to clean up, which a lock *file* would. They
hold across machines where the file system supports POSIX locks. POSIX locks belong to a process and exclude only other
processes, not threads of the same one.
"""

import errno
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from ravfeat.cache.format import LOCK_FILE, shard_file
from ravfeat.errors import CacheError

try:
    import fcntl
except ModuleNotFoundError:  # on Windows; caches can be read there
    fcntl = None  # type: ignore[assignment]

__all__ = ["WorkLock", "check_locks"]

_DRIVER_BYTE = 1 << 40  # beyond those of all shards


class WorkLock:
    """Locks of one process on one cache folder.

    Parameters
    ----------
    folder : Path
        An existing, writable cache folder.

    Raises
    ------
    CacheError
        Where the system, or the folder's file system, has no such locks, or ``.lock`` is not a regular file.
    """

    def __init__(self, folder: Path) -> None:
        check_locks(folder)
        self.folder = folder
        path = folder / LOCK_FILE
        # Never through a link, which could lead to any file; not to wait where it is a pipe.
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            self._file = open(os.open(path, flags, 0o666), "r+b", buffering=0)  # noqa: PTH123, SIM115 (a handle)
        except OSError as error:
            if path.is_symlink() or (path.exists() and not path.is_file()):
                raise CacheError(f"{path} is not a regular file; delete it") from error
            raise
        if not stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
            self._file.close()
            raise CacheError(f"{path} is not a regular file; delete it")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()  # releases every lock

    @contextmanager
    def tables(self) -> Iterator[None]:
        """Lock manifest and index; wait while another process holds them."""
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, 0)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, 0)

    def claim(self, shards: Iterable[int]) -> None:
        """Lock shards for this process until the lock is closed.

        Raises
        ------
        CacheError
            Where another process is writing one of them.
        """
        for number in shards:
            if not self._claim_byte(number + 1):
                raise CacheError(
                    f"another process is writing {shard_file(number)} in {self.folder}; wait for it, or split the work"
                    " with --shard-index I --num-shards N"
                )

    def claim_driver(self) -> None:
        """Become the only process that hands out this cache's shards to others, until the lock is closed.

        Raises
        ------
        CacheError
            Where another process does so.
        """
        if not self._claim_byte(_DRIVER_BYTE):
            raise CacheError(
                f"another 'ravfeat extract --engine' hands out the shards of {self.folder}; wait for it, or stop it"
            )

    def _claim_byte(self, byte: int) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
        except OSError as error:
            # POSIX allows either for a lock that another process holds.
            if error.errno not in {errno.EACCES, errno.EAGAIN}:
                raise _no_locks(self.folder, error) from error
            return False
        return True


def check_locks(folder: Path) -> None:
    """Check that files in a folder can be locked.

    Raises
    ------
    CacheError
        Where the system, or the folder's file system, has no such locks.
    OSError
        Where no file can be written there.
    """
    if fcntl is None:
        raise CacheError("a cache is written under POSIX locks, which this system lacks; on Windows use WSL")
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0)
        except OSError as error:
            raise _no_locks(folder, error) from error


def _no_locks(folder: Path, error: OSError) -> CacheError:
    return CacheError(
        f"files in {folder} cannot be locked ({error.strerror}), so two processes could write one cache at once; choose"
        " another folder, or mount its file system with locks (NFS: not 'nolock', Lustre: 'flock')"
    )
