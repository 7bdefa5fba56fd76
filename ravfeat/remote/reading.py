"""Open a remote cache for reading: tables first, then the ranges that are read, kept as blocks on this machine."""

from pathlib import Path
from typing import TYPE_CHECKING

from ravfeat.cache import reader
from ravfeat.cache.reader import Cache
from ravfeat.errors import UsageError
from ravfeat.remote.base import Store
from ravfeat.remote.store import is_remote

if TYPE_CHECKING:
    from ravfeat.remote.mirror import Mirror

__all__ = ["open_cache", "open_mirror"]


def open_cache(path: str | Path, *, revision: str | None = None) -> Cache:
    """Open a cache for reading: a folder, or a published one at an address.

    Parameters
    ----------
    path : str or Path
        A cache folder, or a folder that holds exactly one; or an address such as ``hf://datasets/USER/NAME@REVISION``,
        ``s3://BUCKET/FOLDER``, ``https://HOST/FOLDER``, see `ravfeat.remote.store.open_store`.
    revision : str, optional
        Of an address on the hub: branch, tag or commit.

    Returns
    -------
    Cache
        Of an address the tables are fetched now and features when they are read: each once, verified, and kept below
        ``RAVFEAT_CACHE_HOME`` or the user's cache folder.

    Raises
    ------
    RemoteError
        Where there is no such cache, or no network or permission.
    CacheError
        Where there is no such folder, or tables are damaged or of a newer version.
    UsageError
        For the revision of a folder.
    """
    if not is_remote(path):
        if revision is not None:
            raise UsageError(f"{path} is a folder, which has no revisions; leave the revision out")
        return reader.open_cache(path)
    from ravfeat.remote.store import open_store

    return open_mirror(open_store(str(path), revision=revision))[0]


def open_mirror(store: Store, blocks: Path | None = None) -> "tuple[Cache, Mirror]":
    """Open a cache in a store, and give the blocks of it too, kept in a folder of them; errors as `open_cache`."""
    from ravfeat.remote.mirror import Mirror
    from ravfeat.remote.tables import fetch_tables, told_by_address

    tables = fetch_tables(store, blocks)
    with told_by_address(store.address, tables.folder):
        mirror = Mirror(tables)
        return reader.open_cache(mirror.folder, fetcher=mirror), mirror
