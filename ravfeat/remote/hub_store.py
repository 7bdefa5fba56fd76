"""A repository of the Hugging Face hub as a store: read at one commit, written by commits."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ravfeat.errors import RemoteError
from ravfeat.remote.base import MissingFileError, PassingError, Store, checked_name
from ravfeat.remote.http_store import fetch, stream

__all__ = ["HubStore"]

_ADDRESS = re.compile(
    r"hf://(?:(?P<kind>datasets|models|spaces)/)?(?P<name>(?!(?:datasets|models|spaces)/)[\w.-]+/[\w.-]+)"
    r"(?:@(?P<revision>[^/@]+))?(?P<folder>/[^@]*)?"
)
_COMMIT = re.compile("[0-9a-f]{40}")


class HubStore(Store):
    """Files of one repository, in a folder of it if wanted.

    The revision is resolved to a commit when the first file is read, and all files are read at that commit: what is
    published meanwhile is never mixed with it.

    Parameters
    ----------
    address : str
        ``hf://datasets/USER/NAME[@REVISION][/FOLDER]``; without ``datasets/`` a model.
    revision : str, optional
    """

    def __init__(self, address: str, revision: str | None = None) -> None:
        match = _ADDRESS.fullmatch(address)
        if match is None or (revision and match["revision"]):
            raise RemoteError(
                f"{address[:200]!a} is no address on the hub; expected hf://datasets/USER/NAME, hf://USER/NAME for a"
                " model, with @REVISION behind it if wanted, and only once"
            )
        folder = (match["folder"] or "").strip("/")
        kind = f"{match['kind']}/" if match["kind"] else ""
        place = f"hf://{kind}{match['name']}" + (f"/{folder}" if folder else "")
        super().__init__(address.rstrip("/") + (f"@{revision}" if revision else ""), place)
        self._kind = (match["kind"] or "models").removesuffix("s")
        self._name = match["name"]
        self._revision = revision or unquote(match["revision"] or "")
        self._prefix = f"{folder}/" if folder else ""
        if folder:
            checked_name(folder, self.address)

    @cached_property
    def _api(self) -> Any:
        from huggingface_hub import HfApi

        return HfApi()

    @property
    def _where(self) -> dict[str, str]:
        return {"repo_id": self._name, "repo_type": self._kind}

    @cached_property
    def _commit(self) -> str:
        return self._retried(self._resolved)

    def _resolved(self) -> str:
        with self._errors():
            commit = self._api.repo_info(**self._where, revision=self._revision or None).sha
        if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
            raise RemoteError(f"{self.address}: the hub gave no commit for it; check the address and HF_ENDPOINT")
        return commit

    def version(self) -> str:
        """Return the commit that is read."""
        return self._commit

    def _sizes(self) -> dict[str, int]:
        with self._errors():
            entries = list(self._api.list_repo_tree(**self._where, revision=self._commit, recursive=True))
        files = {entry.path: int(entry.size) for entry in entries if hasattr(entry, "size")}
        start = len(self._prefix)
        return {path[start:]: size for path, size in files.items() if path.startswith(self._prefix)}

    def _read(self, name: str, start: int, stop: int | None) -> bytes:
        return fetch(self._url(name), f"{self.address}/{name}", self._headers, start, stop)

    def _stream(self, name: str, start: int, stop: int) -> Iterator[bytes]:
        return stream(self._url(name), f"{self.address}/{name}", self._headers, start, stop)

    def _read_whole(self, name: str, limit: int) -> bytes:
        return fetch(self._url(name), f"{self.address}/{name}", self._headers, limit=limit)

    def _url(self, name: str) -> str:
        from huggingface_hub import hf_hub_url

        return hf_hub_url(filename=f"{self._prefix}{name}", revision=self._commit, **self._where)

    @cached_property
    def _headers(self) -> dict[str, str]:
        from huggingface_hub import get_token

        token = get_token()
        return {"Authorization": f"Bearer {token}"} if token else {}

    def _write(self, name: str, data: bytes | Path, *, new: bool) -> bool:
        self._make_sure_it_exists()
        if new and name in self.sizes():
            return False
        self._commit_files({name: data}, f"Add {name}")
        return True

    def write_all(self, files: Mapping[str, bytes | Path], message: str) -> None:
        """Write several files with one commit."""
        for name in files:
            checked_name(name, self.address)
        self._make_sure_it_exists()
        self._retried(lambda: self._commit_files(files, message))

    def _commit_files(self, files: Mapping[str, bytes | Path], message: str) -> None:
        from huggingface_hub import CommitOperationAdd

        operations = [CommitOperationAdd(f"{self._prefix}{name}", data) for name, data in files.items()]
        self._publish(operations, message)

    def _delete(self, name: str) -> None:
        from huggingface_hub import CommitOperationDelete

        if name in self.sizes():
            self._publish([CommitOperationDelete(f"{self._prefix}{name}")], f"Delete {name}")

    def _publish(self, operations: list[Any], message: str) -> None:
        branch = self._revision or None
        with self._errors():
            done = self._api.create_commit(
                **self._where, operations=operations, commit_message=message, revision=branch
            )
        self.__dict__["_commit"] = done.oid  # what is written is read from now on

    def _make_sure_it_exists(self) -> None:
        if _COMMIT.fullmatch(self._revision):
            raise RemoteError(f"{self.address}: a commit cannot be written to; name a branch, or none")
        if "_commit" in self.__dict__:
            return
        with self._errors():
            self._api.create_repo(**self._where, exist_ok=True)
            if self._revision:
                self._api.create_branch(**self._where, branch=self._revision, exist_ok=True)
        _ = self._commit

    @contextmanager
    def _errors(self) -> Iterator[None]:
        from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RepositoryNotFoundError

        try:
            yield
        except RemoteError:
            raise
        except (RepositoryNotFoundError, EntryNotFoundError) as error:
            raise MissingFileError(
                f"{self.address} is not there, or you may not see it ({_reason(error)}); check the address, and log in"
                " with 'hf auth login' or HF_TOKEN if it is private"
            ) from error
        except HfHubHTTPError as error:
            raise self._of_status(error) from error
        except Exception as error:
            # The client passes on what its HTTP library raises, and built-in errors.
            raise PassingError(
                f"{self.address} could not be reached ({_reason(error)}); check the network and HF_ENDPOINT, and run"
                " this again"
            ) from error

    def _of_status(self, error: Any) -> RemoteError:
        code = error.response.status_code
        if code in {401, 403}:
            return RemoteError(
                f"{self.address}: access refused ({_reason(error)}); log in with 'hf auth login' or HF_TOKEN, with a"
                " token that may write where something is published"
            )
        if code == 404:
            return MissingFileError(f"{self.address}: no such revision ({_reason(error)}); check the address")
        kind = PassingError if code == 429 or code >= 500 else RemoteError
        return kind(f"{self.address}: the hub answered {code} ({_reason(error)}); run this again later")


def _reason(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (" ".join(lines[:2]) or type(error).__name__)[:200]
