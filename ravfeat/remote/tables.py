"""The tables of a remote cache, fetched and held against its SHA256SUMS before anything is believed."""

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ravfeat.cache.format import IDENTITY_FILE, INDEX_FILE, MANIFEST_FILE, SUMS_FILE, shard_file
from ravfeat.cache.index import MAX_SUMS_BYTES, IndexedShard, parse_sums, read_index
from ravfeat.cache.layer_table import LAYERS_FILE, LayerTable, parse_layer_table
from ravfeat.cache.manifest import read_planned
from ravfeat.cache.schemas import read_identity
from ravfeat.errors import CacheError, RemoteError
from ravfeat.files import user_folder
from ravfeat.remote.base import DamagedError, MissingFileError, Store

__all__ = [
    "MAX_TABLE_BYTES",
    "TABLES",
    "RemoteTables",
    "TableContents",
    "blocks_folder",
    "changed_or_damaged",
    "fetch_tables",
    "read_tables",
    "told_by_address",
]

TABLES = (IDENTITY_FILE, INDEX_FILE, MANIFEST_FILE, LAYERS_FILE)
MAX_TABLE_BYTES = 1 << 30
_REMEDY = "ask its owner to publish it again"


@dataclass(frozen=True)
class RemoteTables:
    """Tables of a remote cache.

    Attributes
    ----------
    store : Store
    files : mapping of str to bytes
        Contents by name, ``SHA256SUMS`` among them.
    sums : mapping of str to str
    folder : Path
        Where blocks of this cache are kept: another address, commit or content has another folder.
    """

    store: Store
    files: Mapping[str, bytes]
    sums: Mapping[str, str]
    folder: Path

    def layers(self, index: Mapping[int, IndexedShard], identity_layers: tuple[int, ...]) -> LayerTable | None:
        """Parse the table of layers and hold it against the index; None where there is none.

        Raises
        ------
        CacheError
            Where it is damaged, or speaks of other shards.
        """
        if LAYERS_FILE not in self.files:
            return None
        where = f"{self.store.address}/{LAYERS_FILE}"
        table = parse_layer_table(self.files[LAYERS_FILE], where, _REMEDY)
        for number, shard in table.shards.items():
            indexed = index.get(number)
            size = shard.n_bytes * len(shard.layers)
            clips = 0 if indexed is None else sum(row["status"] == "stored" for row in indexed.rows)
            listed = shard.clips_sha256 is None or {len(digests) for digests in shard.clips_sha256} == {32 * clips}
            same = indexed is not None and clips > 0 and (shard.offset, size) == indexed.features
            if not same or not listed or shard.layers != identity_layers or indexed.sha256 != shard.shard_sha256:  # type: ignore[union-attr]  # `same`
                raise CacheError(f"{where} does not fit {shard_file(number)} in {INDEX_FILE}; {_REMEDY}")
        return table


def blocks_folder() -> Path:
    """Return the folder of blocks of remote caches: ``RAVFEAT_CACHE_HOME``, else below the user's cache folder."""
    return user_folder("remote")


def fetch_tables(store: Store, blocks: Path | None = None) -> RemoteTables:
    """Fetch the tables of a cache and check their digests.

    Parameters
    ----------
    store : Store
    blocks : Path, optional
        Folder of blocks; `blocks_folder` by default, whose tables are not fetched again.

    Raises
    ------
    RemoteError
        Where there is no cache at the address, or a table is not the one of ``SHA256SUMS``.
    CacheError
        Where ``SHA256SUMS`` is damaged.
    """
    try:
        data = store.read_whole(SUMS_FILE, MAX_SUMS_BYTES)
    except MissingFileError as error:
        raise RemoteError(
            f"{store.address} has no {SUMS_FILE}: there is no cache, or its publishing has not ended ({error})"
        ) from error
    sums = parse_sums(data, f"{store.address}/{SUMS_FILE}", _REMEDY)
    files = {SUMS_FILE: data}
    text = f"{store.place}\n{store.version()}\n".encode() + data
    folder = (blocks or blocks_folder()) / hashlib.sha256(text).hexdigest()[:20]
    for name in TABLES:
        if name not in sums:
            if name != LAYERS_FILE:
                raise RemoteError(f"{store.address}/{SUMS_FILE} does not name {name}; {_REMEDY}")
            continue
        files[name] = _kept(folder / name, sums[name]) or store.read_whole(name, MAX_TABLE_BYTES)
        if hashlib.sha256(files[name]).hexdigest() != sums[name]:
            raise changed_or_damaged(store, name, data)
    return RemoteTables(store, files, sums, folder)


def _kept(path: Path, sha256: str) -> bytes:
    """Read a table that was fetched before; empty where it was not, or is another one."""
    try:
        data = path.read_bytes()
    except OSError:  # also where this user may not read it: then it is fetched again
        return b""
    return data if hashlib.sha256(data).hexdigest() == sha256 else b""


def changed_or_damaged(store: Store, what: str, sums: bytes) -> RemoteError:
    """Say why something does not have its digest: the cache was published anew meanwhile, or it is damaged."""
    try:
        changed = store.read_whole(SUMS_FILE, MAX_SUMS_BYTES) != sums
    except RemoteError:
        changed = True
    if changed:
        return RemoteError(f"{store.address} was changed while it was being read; run this again to read what is new")
    return DamagedError(
        f"{store.address}: {what} does not match its digest: it is damaged there, or was on the way; run this again,"
        " and if that does not help, ask its owner to delete that file there and to publish the cache again"
    )


@contextmanager
def told_by_address(address: str, folder: Path) -> Iterator[None]:
    """Say of what is wrong in blocks of a published cache where it is published: they are not to be repaired.

    Raises
    ------
    CacheError
        In place of those that name the folder of blocks, of the same type.
    """
    try:
        yield
    except CacheError as error:
        if str(folder) not in str(error):
            raise
        problem = str(error).replace(f"{folder}/", "").partition("; ")[0]
        raise type(error)(f"{address}: {problem}; {_REMEDY}") from error


@dataclass(frozen=True)
class TableContents:
    """What the tables say: shards by number, identity, and the corpus's name."""

    index: dict[int, IndexedShard]
    identity: dict[str, Any]
    corpus: str


def read_tables(tables: RemoteTables) -> TableContents:
    """Parse the tables with the readers of a local cache.

    Raises
    ------
    CacheError
        Where one is damaged.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, data in tables.files.items():
            (folder / file).write_bytes(data)
        index, identity = read_index(folder), read_identity(folder / IDENTITY_FILE)
        corpus = read_planned(folder / MANIFEST_FILE).manifest.corpus
    return TableContents(index, identity, corpus)
