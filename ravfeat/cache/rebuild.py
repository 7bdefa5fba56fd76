"""Rebuild index, ``SHA256SUMS`` and ``identity.json`` of a cache from its shards alone."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ravfeat.cache.format import IDENTITY_FILE, MANIFEST_FILE, fingerprint, identity_text
from ravfeat.cache.index import IndexedShard, index_shards, present_shards, write_index
from ravfeat.cache.known_shards import make_sure_shards_open
from ravfeat.cache.locks import WorkLock
from ravfeat.cache.manifest import read_planned
from ravfeat.cache.schemas import read_identity
from ravfeat.cache.shard import ShardHeader, read_header
from ravfeat.errors import CacheError, ShardError
from ravfeat.files import replace_file

__all__ = ["rebuild_index"]


def rebuild_index(folder: Path) -> dict[int, IndexedShard]:
    """Rebuild index, ``SHA256SUMS`` and ``identity.json``; every shard is checked in full.

    Raises
    ------
    ShardError
        Where a shard is damaged, or belongs to another cache.
    CacheError
        Where there is no shard, the manifest is damaged, or the folder cannot be written.
    """
    present = present_shards(folder)
    if not present:
        raise CacheError(f"{folder} has no shard to make an index from; run 'ravfeat extract' to fill it")
    try:
        # Held until the tables are written, so that a running extraction cannot update the index in between.
        with WorkLock(folder) as lock, lock.tables():
            if (folder / MANIFEST_FILE).is_file():
                read_planned(folder / MANIFEST_FILE)  # a damaged one must not get a fresh digest
            make_sure_shards_open(folder)
            identity = _common_identity(folder, {path: read_header(path) for path in present.values()})
            shards = index_shards(list(present.values()))
            # The identity before SHA256SUMS, which contains its digest.
            replace_file(folder / IDENTITY_FILE, identity_text(identity).encode())
            write_index(folder, shards)
    except OSError as error:
        raise CacheError(f"{folder} cannot be written ({error.strerror or error})") from error
    return shards


def _common_identity(folder: Path, headers: Mapping[Path, ShardHeader]) -> Mapping[str, Any]:
    """Return the identity of ``identity.json`` if some shard has it, else that of most shards."""
    by_fingerprint = {header.fingerprint: header.identity for header in headers.values()}
    try:
        chosen = fingerprint(read_identity(folder / IDENTITY_FILE))
    except CacheError:
        chosen = ""
    if chosen not in by_fingerprint:
        chosen = Counter(header.fingerprint for header in headers.values()).most_common(1)[0][0]
    for path, header in headers.items():
        if header.fingerprint != chosen:
            raise ShardError(
                f"{path} is foreign: it was written with identity {header.fingerprint}, this cache is {chosen};"
                " move it away"
            )
    return by_fingerprint[chosen]
