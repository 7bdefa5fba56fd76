"""Folder of a server's uploads: swept while it runs, gone when it ends; what a killed server left is removed."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from time import time

try:
    import fcntl
except ImportError:  # Windows, where nothing tells a folder in use from one that was left
    fcntl = None  # type: ignore[assignment]

__all__ = ["EXAMPLES", "is_upload", "n_bytes", "server_folder", "sweep", "swept"]

EXAMPLES = "examples"
"""Folder among the uploads that is not swept."""

_PREFIX, _LOCK = "ravfeat-demo-", "lock"


@contextmanager
def server_folder() -> Iterator[Path]:
    """Make a folder that is gone after the block; folders of servers that were killed are taken away first."""
    _remove_leftovers(Path(gettempdir()))
    with TemporaryDirectory(prefix=_PREFIX) as name, (Path(name) / "new").open("wb") as lock:
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_EX)
        # Another server that starts meanwhile sees the lock when it is held, and not before.
        (Path(name) / "new").rename(Path(name) / _LOCK)
        yield Path(name)


def _remove_leftovers(root: Path) -> None:
    if fcntl is None:
        return
    for folder in root.glob(f"{_PREFIX}*"):
        # In use, of another user, or taken away meanwhile.
        with suppress(OSError):
            if folder.lstat().st_uid != os.getuid():
                continue
            with (folder / _LOCK).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)


def is_upload(path: str, folder: Path) -> bool:
    """Say whether a path, which a visitor may have written, leads to a regular file below the folder."""
    try:
        place = Path(path).resolve(strict=True)
    except (OSError, ValueError, RuntimeError):
        return False
    return place.is_file() and place.is_relative_to(folder.resolve())


def n_bytes(folder: Path) -> int:
    """Give the bytes of all that lies below a folder."""
    return sum(_stat(path).st_size for path in folder.rglob("*"))


def sweep(folder: Path, keep_s: float) -> None:
    """Remove uploads, whole or broken off, that nobody has written to for `keep_s`, and folders that are empty since.

    Parameters
    ----------
    folder : Path
        Of the uploads; what lies in `EXAMPLES` stays.
    keep_s : float
    """
    oldest = time() - keep_s
    for name, folders, files in os.walk(folder, topdown=True):
        if Path(name) == folder and EXAMPLES in folders:
            folders.remove(EXAMPLES)
        old = [path for path in map(Path(name).joinpath, files) if _stat(path).st_mtime < oldest]
        for path in old:
            path.unlink(missing_ok=True)
        if Path(name) != folder and _stat(Path(name)).st_mtime < oldest:
            with suppress(OSError):  # not empty
                Path(name).rmdir()


@contextmanager
def swept(folder: Path, every_s: float, keep_s: float) -> Iterator[None]:
    """Sweep a folder again and again while the block runs."""
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(every_s):
            sweep(folder, keep_s)

    thread = threading.Thread(target=work, name="ravfeat-demo-sweep", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _stat(path: Path) -> os.stat_result:
    try:
        return path.lstat()
    except OSError:  # gone meanwhile
        return os.stat_result((0,) * 10)
