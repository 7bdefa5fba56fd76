"""Open a folder of files at an address: hf://, s3://, https://, file://, any address of fsspec, or a path."""

import re
from pathlib import Path

from ravfeat.errors import RemoteError
from ravfeat.remote.base import MissingFileError, NoRangesError, Store, shown
from ravfeat.remote.folder_store import FolderStore

__all__ = ["MissingFileError", "NoRangesError", "Store", "is_remote", "open_store"]

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):/?/?", re.IGNORECASE)  # two letters at least: C:\ is a drive
_SCHEMES_WITHOUT_SLASHES = ("memory",)


def is_remote(text: str | Path) -> bool:
    r"""Whether a text is an address with a scheme, not a path.

    Examples
    --------
    >>> is_remote("hf://datasets/somebody/features"), is_remote("cache/ravdess"), is_remote("C:\\cache")
    (True, False, False)
    """
    match = _SCHEME.match(str(text))
    # A Path has lost one of the slashes, and a folder may have a colon in its name.
    return match is not None and ("/" in match[0] or match[1].lower() in _SCHEMES_WITHOUT_SLASHES)


def open_store(address: str | Path, *, revision: str | None = None) -> Store:
    """Open the folder of files at an address; nothing is read yet.

    Parameters
    ----------
    address : str or Path
        ``hf://datasets/USER/NAME``, ``hf://USER/NAME`` (a model), both with ``@REVISION`` if wanted; ``s3://BUCKET/…``
        and whatever else fsspec knows; ``https://…``, also ``https://zenodo.org/records/N``; a path.
    revision : str, optional
        Commit, branch or tag on the hub; also after ``@`` in the address.

    Raises
    ------
    RemoteError
        For an address that is none, a revision where there are none, or a missing package.
    """
    text = str(address)
    scheme = text.partition(":")[0].lower() if is_remote(text) else ""
    if scheme == "hf":
        from ravfeat.remote.hub_store import HubStore

        return HubStore(text, revision)
    if revision is not None:
        raise RemoteError(f"{shown(text)} keeps no revisions; leave the revision out, or give an address hf://…")
    if not text.strip():  # else a variable that is not set would mean the working folder
        raise RemoteError(f"{text!a} is no address; expected hf://datasets/USER/NAME, s3://BUCKET/FOLDER or a path")
    if scheme in {"", "file"}:
        return FolderStore(_local_path(text))
    if scheme in {"http", "https"}:
        from ravfeat.remote.http_store import http_store

        return http_store(text)
    from ravfeat.remote.fsspec_store import FsspecStore

    return FsspecStore(text)


def _local_path(text: str) -> Path:
    path = Path(re.sub("^file:(//)?", "", text, flags=re.IGNORECASE))
    if text.lower().startswith("file:") and not path.is_absolute():
        raise RemoteError(f"{text[:200]!a} is no address of a folder; expected file:///folder, or the folder's path")
    return path
