"""A folder of this machine, or of a shared file system, as a store."""

import errno
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ravfeat.errors import RemoteError
from ravfeat.files import flush
from ravfeat.remote.base import MissingFileError, Store

__all__ = ["FolderStore"]


class FolderStore(Store):
    """Files in a folder; one gets its name when it is whole.

    Attributes
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self.folder = folder

    def _sizes(self) -> dict[str, int]:
        with self._errors(""):
            if not self.folder.is_dir():
                return {}
            files = [
                path
                for path in (*self.folder.glob("*"), *self.folder.glob("*/*"), *self.folder.glob("*/*/*"))
                if path.is_file()
            ]
            return {path.relative_to(self.folder).as_posix(): path.stat().st_size for path in files}

    def _read(self, name: str, start: int, stop: int | None) -> bytes:
        path = self.folder / name
        if path.exists() and not path.is_file():  # a pipe would never end
            raise MissingFileError(f"{path} is not a regular file; check the path")
        with self._errors(name), path.open("rb") as file:
            file.seek(start)
            return file.read(-1 if stop is None else stop - start)

    def _read_whole(self, name: str, limit: int) -> bytes:
        return self._read(name, 0, limit + 1)

    def _write(self, name: str, data: bytes | Path, *, new: bool) -> bool:
        path = self.folder / name
        temporary = path.with_name(f".{path.name}.{socket.gethostname()}-{os.getpid()}.tmp")
        with self._errors(name):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.unlink(missing_ok=True)
            try:
                if isinstance(data, Path):
                    shutil.copyfile(data, temporary)
                else:
                    temporary.write_bytes(data)
                flush(temporary)
                if new and not _linked(temporary, path):
                    return False
                if not new:
                    temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
            flush(path.parent)
        return True

    def _delete(self, name: str) -> None:
        with self._errors(name):
            (self.folder / name).unlink(missing_ok=True)

    @contextmanager
    def _errors(self, name: str) -> Iterator[None]:
        path = self.folder / name
        try:
            yield
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise MissingFileError(f"{path} is not there; check the path") from error
        except OSError as error:
            full = error.errno in {errno.ENOSPC, errno.EDQUOT}
            remedy = "make room and run this again" if full else "check who may read and write there"
            raise RemoteError(f"{path}: {error.strerror or error}; {remedy}") from error


def _linked(temporary: Path, path: Path) -> bool:
    """Give a file its name unless another has it."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without links; two writers at the same instant both succeed there
        if path.exists():
            return False
        temporary.replace(path)
    return True
