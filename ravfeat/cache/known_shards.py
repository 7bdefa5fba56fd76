"""Shards that the index is believed about without reading them; bring the index up to date with the shards in a folder.

The index has the time of the youngest shard that it was made from, so a shard that is written after that is younger.
"""

import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ravfeat.cache.child_check import headers_in_child
from ravfeat.cache.format import INDEX_FILE
from ravfeat.cache.index import (
    IndexedShard,
    index_shards,
    indexed_shards,
    present_shards,
    provenance_sha256,
    read_index_table,
    write_index,
)
from ravfeat.cache.index_table import IndexTable
from ravfeat.cache.shard import read_header
from ravfeat.errors import CacheError

__all__ = ["KnownShards", "known_shards", "make_sure_opens", "make_sure_shards_open", "refresh_index"]


@dataclass(frozen=True)
class KnownShards:
    """The shards in a cache's folder, and what the index says of them.

    Attributes
    ----------
    index : IndexTable or None
        None where it is missing or damaged.
    indexed : dict of int to IndexedShard
        Every entry of the index.
    paths : dict of int to Path
        Every shard that is there, by number.
    known : set of int
        Those that the index is believed about without reading them: of the size that it says, and not written after
        it. Where this is wrong, because a shard was replaced by a file of this size that claims to be older, a reader
        refuses the shard and ``ravfeat cache verify`` names it. It is never opened by HDF5 on this word alone.
    newest_ns : int
        When the youngest of all was written.
    """

    index: IndexTable | None
    indexed: dict[int, IndexedShard]
    paths: dict[int, Path]
    known: set[int]
    newest_ns: int

    @property
    def unknown(self) -> dict[int, Path]:
        """The shards that have to be read."""
        return {number: path for number, path in self.paths.items() if number not in self.known}


def known_shards(folder: Path) -> KnownShards:
    """List the shards of a cache, and tell those that the index knows from those that have to be read."""
    try:
        # Before the index is read: if it is replaced in between, too few shards count as known, not too many.
        index_ns = (folder / INDEX_FILE).stat().st_mtime_ns
        index = read_index_table(folder)
    except (CacheError, OSError):
        index, index_ns = None, 0  # missing or damaged: nothing is known
    indexed = {} if index is None else indexed_shards(index)
    paths, known, newest_ns = present_shards(folder), set(), 0
    for number, path in paths.items():
        with suppress(FileNotFoundError):  # a link to nothing, or deleted just now: whoever reads it says so
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                continue
            newest_ns = max(newest_ns, status.st_mtime_ns)
            if number in indexed and status.st_size == indexed[number].n_bytes and status.st_mtime_ns <= index_ns:
                known.add(number)
    return KnownShards(index, indexed, paths, known, newest_ns)


def refresh_index(folder: Path, written: Mapping[int, IndexedShard] | None = None) -> dict[int, IndexedShard]:
    """Update the index to the shards in the folder.

    Entries of the old index are reused for shards that it knows (see `KnownShards`), and those of it and of ``written``
    for shards whose size and head are as they say; all other shards are read and checked in full first. So are those
    of an index that has no digests of heads; where it only lacks those of the provenance, headers are read. The caller
    holds the cache's `WorkLock.tables`.

    Raises
    ------
    ShardError
        Where a shard's contents do not match their digests.
    """
    before, fresh = known_shards(folder), dict(written or {})
    # Shards of this run were hashed when they were written; their entries replace older ones.
    entries, known = before.indexed | fresh, before.known - fresh.keys()
    shards: dict[int, IndexedShard] = {}
    for number, path in before.paths.items():
        if number in known or _matches(entries, number, path):
            entry = _whole(entries[number], path)
            shards |= {} if entry is None else {number: entry}
    shards |= index_shards([path for number, path in before.paths.items() if number not in shards])
    # As old as what was looked at: a shard that another process replaces meanwhile is younger, so it is read next time.
    # And never of the future: what is written until then would seem older.
    write_index(folder, shards, time_ns=min(before.newest_ns, time.time_ns()) or None)
    return dict(sorted(shards.items()))


def _whole(entry: IndexedShard, path: Path) -> IndexedShard | None:
    """Return an entry with the digests that older indexes lack; None where its shard has to be checked in full."""
    if entry.head_sha256 is not None and entry.provenance_sha256 is not None:
        return entry
    # Not known without reading it any more: its header is read.
    if entry.head_sha256 is None or not entry.matches(path):
        return None
    return entry.with_provenance(provenance_sha256(read_header(path).provenance))


def _matches(entries: Mapping[int, IndexedShard], number: int, path: Path) -> bool:
    return number in entries and entries[number].matches(path)


def make_sure_shards_open(folder: Path) -> None:
    """Make sure that HDF5 may open every shard of a cache: those that the index does not match are tried in a child.

    Raises
    ------
    ShardError
        Where a shard is damaged.
    """
    make_sure_opens(known_shards(folder).indexed, present_shards(folder))


def make_sure_opens(indexed: Mapping[int, IndexedShard], paths: Mapping[int, Path]) -> None:
    """Make sure that HDF5 may open some shards; errors as `make_sure_shards_open`."""
    headers_in_child([path for number, path in paths.items() if not _matches(indexed, number, path)])
