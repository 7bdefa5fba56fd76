"""Object stores and whatever else fsspec can address, as a store: s3://, gs://, memory://."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import fsspec

from ravfeat.errors import RemoteError
from ravfeat.remote.base import MissingFileError, PassingError, Store, shown

__all__ = ["FsspecStore"]

_EXTRAS = {"s3": "s3", "s3a": "s3"}
_OPTIONS: dict[str, Any] = {
    "use_listings_cache": False,
    "skip_instance_cache": True,
    # Three layers repeat what fails, one above the other: with all of them an unreachable server takes minutes.
    "config_kwargs": {"retries": {"max_attempts": 1}},
}
_WITHOUT_FOLDERS = {"s3", "s3a", "gs", "gcs", "az", "abfs", "oci"}
_THERE_ALREADY = ("PreconditionFailed", "ConditionalRequestConflict", "pre-conditions")


class FsspecStore(Store):
    """Files under a prefix of a file system of fsspec.

    Credentials, endpoint and region come from where the library looks for them: for S3 from ``AWS_ACCESS_KEY_ID``,
    ``AWS_SECRET_ACCESS_KEY``, ``AWS_ENDPOINT_URL`` and the files in ``~/.aws``.
    """

    def __init__(self, address: str) -> None:
        super().__init__(shown(address))
        scheme = address.partition(":")[0].lower()
        self._has_folders = scheme not in _WITHOUT_FOLDERS
        # Others write there too: what was listed before is not what is there. And endpoint and credentials, which the
        # environment says, may be others than when the last store was opened.
        options = _OPTIONS if scheme in _EXTRAS else {}
        try:
            self._open = partial(fsspec.core.url_to_fs, address, **options)
            self._fs, self._root = self._open()
        except ImportError as error:
            extra = _EXTRAS.get(scheme)
            remedy = f"pip install 'ravfeat[{extra}]'" if extra else str(error)
            raise RemoteError(f"{self.address} needs a package that is not installed: {remedy}") from error
        except Exception as error:
            raise RemoteError(
                f"{self.address} is no address that can be read ({_reason(error)}); expected one such as"
                " hf://datasets/USER/NAME, s3://BUCKET/FOLDER, https://HOST/FOLDER, or a path"
            ) from error
        self._root, self._process = self._root.rstrip("/"), os.getpid()
        if not self._root.strip("/"):
            raise RemoteError(f"{self.address} names no folder; give one, such as {scheme}://BUCKET/FOLDER")

    def _files(self) -> Any:
        if self._process != os.getpid():
            # Its thread does not exist in a forked process.
            self._fs, self._process = self._open()[0], os.getpid()
        return self._fs

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _sizes(self) -> dict[str, int]:
        with self._errors(""):
            self._files().invalidate_cache()
            try:
                found: dict[str, Any] = self._files().find(self._root, detail=True)
            except FileNotFoundError:
                return {}
            start = len(self._root) + 1
            return {path[start:]: int(entry["size"]) for path, entry in found.items() if entry["type"] == "file"}

    def _read(self, name: str, start: int, stop: int | None) -> bytes:
        with self._errors(name):
            data = self._files().cat_file(self._path(name), start=start, end=stop)
        return bytes(data)

    def _read_whole(self, name: str, limit: int) -> bytes:
        try:
            return self._read(name, 0, limit + 1)
        except MissingFileError:
            raise
        except RemoteError:
            # An empty file has no first byte to ask for.
            if self.sizes().get(name) == 0:
                return b""
            raise

    def _write(self, name: str, data: bytes | Path, *, new: bool) -> bool:
        path, mode = self._path(name), "create" if new else "overwrite"
        with self._errors(name):
            if self._has_folders:  # elsewhere it would make a bucket of a mistyped name
                self._files().makedirs(path.rpartition("/")[0], exist_ok=True)
            try:
                if isinstance(data, Path):
                    self._files().put_file(str(data), path, mode=mode)
                else:
                    self._files().pipe_file(path, data, mode=mode)
            except FileExistsError:
                return False
            except Exception as error:
                if new and any(name in f"{error} {error.__cause__}" for name in _THERE_ALREADY):
                    return False
                raise
        return True

    def _delete(self, name: str) -> None:
        with self._errors(name):
            try:
                self._files().rm_file(self._path(name))
            except FileNotFoundError:
                return

    @contextmanager
    def _errors(self, name: str) -> Iterator[None]:
        where = f"{self.address}/{name}" if name else self.address
        try:
            yield
        except FileNotFoundError as error:
            raise MissingFileError(f"{where} is not there; check the address") from error
        except PermissionError as error:
            raise RemoteError(
                f"{where}: access refused ({_reason(error)}); check the credentials (for S3 AWS_ACCESS_KEY_ID and"
                " AWS_SECRET_ACCESS_KEY, or ~/.aws) and who may read and write there"
            ) from error
        except Exception as error:
            # Every library behind fsspec has errors of its own, for a network that is away too.
            raise _translated(where, error) from error


def _translated(where: str, error: Exception) -> RemoteError:
    if type(error).__name__ in {"NoCredentialsError", "PartialCredentialsError"}:
        return RemoteError(f"{where}: no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ~/.aws")
    if getattr(error, "errno", None) in {errno.EINVAL, errno.ENOSPC}:
        return RemoteError(f"{where}: {_reason(error)}; check the address")
    return PassingError(f"{where} could not be reached ({_reason(error)}); check the network and run this again")


def _reason(error: BaseException) -> str:
    return (next(iter(str(error).strip().splitlines()), "") or type(error).__name__)[:200]
