"""A cache that is written to an object store: finished shards are put there whole, the tables when an extraction ends.

Nothing is locked: a shard gets its name only where no other has it, which the store decides. What a process needs of
the cache as files (the tables, stored shards to compare with) lies in a temporary folder of its own.
"""

import atexit
import shutil
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ravfeat.cache.child_check import ChildProcesses, headers_in_child
from ravfeat.cache.format import (
    IDENTITY_FILE,
    INDEX_FILE,
    MANIFEST_FILE,
    SUMS_FILE,
    ShardContent,
    shard_file,
    shard_number,
)
from ravfeat.cache.index import IndexedShard, index_serialised, index_shard, read_index, write_index
from ravfeat.cache.locks import WorkLock
from ravfeat.cache.manifest import read_planned
from ravfeat.cache.serialise import serialise_shard
from ravfeat.cache.shard import ShardHeader, read_header
from ravfeat.cache.writer import CacheFolder
from ravfeat.errors import CacheError, ShardError
from ravfeat.extract.open_caches import folder_of, planned_folder_of
from ravfeat.extract.request import Extraction
from ravfeat.remote.store import MissingFileError, Store, open_store

__all__ = ["StoredFolder", "check_address", "open_stored_folder", "prepare_stored_folder"]

_TABLES = (MANIFEST_FILE, IDENTITY_FILE, INDEX_FILE, SUMS_FILE)
_MAX_TABLE_BYTES = 4 << 30
_MAX_SHARD_BYTES = 16 << 30
_FEW = 16  # shards that are asked for one by one, rather than listing all
_PREFIX = "ravfeat-out-"
_READ_ONLY = ("hf:", "http:", "https:")


@dataclass(frozen=True)
class StoredFolder(CacheFolder):
    """A writable cache at an address.

    Attributes
    ----------
    store : Store
    """

    store: Store

    def write_shard(self, content: ShardContent) -> IndexedShard:
        """Put one shard, completely or not at all; where another process was quicker, its shard counts."""
        name, serialised = shard_file(content.number), serialise_shard(content)
        new = not self.holds(content.number)  # else failed clips of it can be stored now
        (self.path / name).unlink(missing_ok=True)  # a local copy of what is replaced
        if not self.store.write(name, serialised.data, new=new):
            return self.checked(content.number)
        return index_serialised(content, serialised)

    def write_part(self, content: ShardContent, part: int) -> None:
        """Keep nothing of an unfinished shard: the next process may be on another machine."""

    def holds(self, shard: int) -> bool:
        """Whether a shard is there, asked with one request."""
        try:
            self.store.read(shard_file(shard), 0, 1)
        except MissingFileError:
            return False
        return True

    def present(self, shards: Collection[int]) -> set[int]:
        """Return those of some shards that are there."""
        if len(shards) <= _FEW:
            return {number for number in shards if self.holds(number)}
        return set(shards) & self.sizes().keys()

    def sizes(self) -> dict[int, int]:
        """List the shards that are there, with their bytes."""
        sizes = {shard_number(Path(name)): size for name, size in self.store.sizes().items() if "/" not in name}
        return {number: size for number, size in sizes.items() if number is not None}

    def fetched(self, shard: int) -> Path:
        """Return a local copy of a shard, which HDF5 may open.

        Raises
        ------
        ShardError
            Where it is damaged.
        """
        path = self.path / shard_file(shard)
        if not path.is_file():
            path.write_bytes(self.store.read_whole(path.name, _MAX_SHARD_BYTES))
            headers_in_child([path])
        return path

    def checked(self, shard: int) -> IndexedShard:
        """Fetch a shard, check it in full, and return its entry."""
        (self.path / shard_file(shard)).unlink(missing_ok=True)  # an older copy
        path = self.fetched(shard)
        try:
            with ChildProcesses() as children:
                return index_shard(path, children)
        except ShardError as error:
            raise ShardError(f"{self.store.address}/{error}") from error
        finally:
            path.unlink(missing_ok=True)

    def update_index(self, lock: WorkLock, written: Mapping[int, IndexedShard]) -> None:
        """Make index and digests of the shards that are there; those nobody tells of are fetched and checked, once."""
        self.fetch_tables()
        known = {**self.indexed(), **written}
        shards = {
            number: known[number] if number in known and known[number].n_bytes == size else self.checked(number)
            for number, size in self.sizes().items()
        }
        write_index(self.path, shards)
        # As in a folder: between the two, readers refuse the pair.
        for name in (INDEX_FILE, SUMS_FILE):
            self.store.write(name, (self.path / name).read_bytes())

    def indexed(self) -> dict[int, IndexedShard]:
        """Return the entries of the index as it was fetched."""
        try:
            return dict(read_index(self.path))
        except CacheError:
            return {}  # missing or damaged: all shards are checked

    def fetch_tables(self) -> None:
        """Fetch what is there of manifest, identity, index and digests."""
        for name in _TABLES:
            try:
                data = self.store.read_whole(name, _MAX_TABLE_BYTES)
            except MissingFileError:
                (self.path / name).unlink(missing_ok=True)
            else:
                (self.path / name).write_bytes(data)

    def samples(self) -> dict[int, ShardHeader]:
        """Read the headers of the first and the last stored shard, to know what features are compared with."""
        there = sorted(self.sizes())
        return {number: read_header(self.fetched(number)) for number in dict.fromkeys([*there[:1], *there[-1:]])}

    def close(self) -> None:
        """Remove the temporary folder; so does the end of the process."""
        temporary = next(path for path in self.path.parents if path.name.startswith(_PREFIX))
        shutil.rmtree(temporary, ignore_errors=True)

    @classmethod
    def _at(cls, folder: CacheFolder, store: Store) -> Self:
        return cls(folder.path, folder.about, folder.identity, folder.planned, store)


def check_address(out: str) -> None:
    """Refuse addresses that shards are not written to one by one.

    Raises
    ------
    CacheError
    """
    if out.lower().startswith(_READ_ONLY):
        raise CacheError(
            f"--out {out}: an extraction writes to folders and object stores (s3://…); extract into one of these, and"
            " give the finished cache to others with 'ravfeat cache publish'"
        )


def open_stored_folder(address: str, name: str, about: Mapping[str, Any], identity: Mapping[str, Any]) -> StoredFolder:
    """Open a cache that was prepared by another process.

    Parameters
    ----------
    address : str
        Of the cache itself.
    name : str
        Of its folder.
    about, identity : mapping
        See `ravfeat.cache.format.ShardContent`.
    """
    store, path = open_store(address), _temporary_folder() / name
    path.mkdir()
    (path / MANIFEST_FILE).write_bytes(store.read_whole(MANIFEST_FILE, _MAX_TABLE_BYTES))
    folder = StoredFolder(path, about, identity, read_planned(path / MANIFEST_FILE), store)
    return folder


def prepare_stored_folder(request: Extraction, out: str) -> tuple[StoredFolder, str]:
    """Find or create the cache of an extraction under an address, and store its plan.

    Returns
    -------
    StoredFolder, str
        The cache, and its own address.

    Raises
    ------
    CacheError, CorpusError
        As `ravfeat.cache.writer.prepare_cache`.
    RemoteError
        Where the store cannot be read or written.
    """
    temporary = _temporary_folder()
    planned = planned_folder_of(request, temporary)
    address = "/".join([out.rstrip("/"), *planned.path.parts[-2:]])
    planned.path.mkdir(parents=True)
    folder = StoredFolder._at(planned, open_store(address))
    folder.fetch_tables()
    before = _bytes_of(folder.path / MANIFEST_FILE)
    folder = StoredFolder._at(folder_of(request, temporary), folder.store)
    now = (folder.path / MANIFEST_FILE).read_bytes()
    if now != before and not folder.store.write(MANIFEST_FILE, now, new=before is None):
        return prepare_stored_folder(request, out)  # another process was quicker to begin this cache
    folder.store.write(IDENTITY_FILE, (folder.path / IDENTITY_FILE).read_bytes())
    _index_all(folder)
    return folder, address


def _index_all(folder: StoredFolder) -> None:
    """Index shards of a run that was killed before it could: which of their clips failed stands in the index only."""
    known = folder.indexed()
    if any(number not in known or known[number].n_bytes != size for number, size in folder.sizes().items()):
        with WorkLock(folder.path) as lock:
            folder.update_index(lock, {})


def _temporary_folder() -> Path:
    path = Path(tempfile.mkdtemp(prefix=_PREFIX))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def _bytes_of(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def stored_failures(entries: Mapping[int, IndexedShard], shards: Sequence[int]) -> dict[int, dict[str, str]]:
    """Return the shards with failed clips: the reason of each, by ``clip_id``."""
    failed = {
        number: {row["clip_id"]: row["reason"] for row in entries[number].rows if row["status"] == "failed"}
        for number in shards
        if number in entries
    }
    return {number: reasons for number, reasons in failed.items() if reasons}
