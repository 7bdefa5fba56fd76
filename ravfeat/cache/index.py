"""Index of a cache: position of every clip, SHA-256 of every shard; can be rebuilt from the shards.

``SHA256SUMS`` covers every file of the cache, so ``sha256sum -c SHA256SUMS`` checks a copy on a machine
without ravfeat.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from ravfeat.cache.child_check import ChildProcesses
from ravfeat.cache.digests import head_sha256
from ravfeat.cache.format import (
    IDENTITY_FILE,
    INDEX_FILE,
    MANIFEST_FILE,
    SUMS_FILE,
    ClipRecord,
    FailedClip,
    ShardContent,
    shard_file,
    shard_number,
)
from ravfeat.cache.index_table import INDEX_SCHEMA, IndexRows, IndexTable, index_bytes, parse_index
from ravfeat.cache.layer_table import LAYERS_FILE, parse_layer_table
from ravfeat.cache.serialise import SerialisedShard
from ravfeat.cache.shard import read_header
from ravfeat.errors import CacheError, ShardError
from ravfeat.files import canonical_json, read_limited, replace_file, sha256_of

__all__ = [
    "MAX_SUMS_BYTES",
    "WORKERS",
    "IndexedShard",
    "index_rows",
    "index_serialised",
    "index_shard",
    "index_shards",
    "indexed_shards",
    "parse_sums",
    "present_shards",
    "provenance_sha256",
    "read_index",
    "read_index_table",
    "read_sums",
    "refresh_sums",
    "sums_text",
    "write_index",
]

WORKERS = min(4, os.cpu_count() or 1)
"""Shards that are checked in parallel. Threads suffice, as hashing releases the interpreter's lock."""

_TABLES = frozenset({MANIFEST_FILE, INDEX_FILE, IDENTITY_FILE, LAYERS_FILE})
_DIGEST = re.compile("[0-9a-f]{64}")
MAX_SUMS_BYTES, _MAX_INDEX_BYTES = 16 << 20, 1 << 30


@dataclass(frozen=True)
class IndexedShard:
    """Entry of one shard in the index.

    Attributes
    ----------
    number, n_bytes : int
    sha256 : str
        Of the file.
    metadata_sha256 : str
        As stored in the shard.
    head_sha256 : str or None
        Of the file without its features, see `ravfeat.cache.digests.head_sha256`. None in an index of an older version.
    features : tuple (offset, size)
        Bytes of the features in the file.
    rows : sequence of dict
        The shard's rows of the index: `IndexRows`, whatever they were made of.
    provenance_sha256 : str or None
        Of the canonical JSON of the shard's provenance. None in an index of an older version.
    """

    number: int
    n_bytes: int
    sha256: str
    metadata_sha256: str
    head_sha256: str | None
    features: tuple[int, int]
    rows: Sequence[dict[str, Any]]
    provenance_sha256: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", IndexRows.of(self.rows))

    def matches(self, path: Path) -> bool:
        """Whether a file is the indexed shard, as far as HDF5 interprets it.

        Damage there can make HDF5 crash or loop for ever, so a file is opened only after this. Features are left out:
        they are read past HDF5 and have digests of their own. With an index of an older version the whole file is read.
        """
        if not path.is_file() or path.stat().st_size != self.n_bytes:
            return False
        if self.head_sha256 is None:
            return sha256_of(path) == self.sha256
        return head_sha256(path, self.features) == self.head_sha256

    def with_provenance(self, digest: str) -> Self:
        """Return the entry with the digest of the provenance, which an older index does not have."""
        table = IndexRows.of(self.rows).columns()
        place = table.column_names.index(name := "shard_provenance_sha256")
        table = table.set_column(place, INDEX_SCHEMA.field(name), pa.array([digest] * len(table), pa.string()))
        return replace(self, rows=IndexRows(table, 0, len(table)), provenance_sha256=digest)


def present_shards(folder: Path) -> dict[int, Path]:
    """List the shard files in a cache's folder, by number."""
    shards = {shard_number(path): path for path in folder.glob("shard-*.h5")}
    return {number: shards[number] for number in sorted(n for n in shards if n is not None)}


def read_sums(folder: Path) -> dict[str, str]:
    """Read ``SHA256SUMS``: file name to digest.

    Raises
    ------
    CacheError
        Where the file is missing or is not exactly as ravfeat writes it.
    """
    path = folder / SUMS_FILE
    remedy = f"'ravfeat cache rebuild-index {folder}' makes it anew"
    # As bytes: text mode would hide changed line ends.
    return parse_sums(read_limited(path, MAX_SUMS_BYTES, CacheError, remedy), str(path), remedy)


def parse_sums(data: bytes, where: str, remedy: str) -> dict[str, str]:
    """Parse the bytes of a ``SHA256SUMS``; errors as `read_sums`."""
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError as error:
        raise CacheError(f"{where} cannot be read ({error}); {remedy}") from error
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in text.split("\n") if line)}
    # Compared as text: a file that was edited, sorted otherwise or cut short is refused, even if it parses.
    if text != sums_text(sums) or INDEX_FILE not in sums:
        raise CacheError(f"{where} is damaged; {remedy}")
    for name, digest in sums.items():
        if not _DIGEST.fullmatch(digest) or not (name in _TABLES or shard_number(Path(name)) is not None):
            raise CacheError(f"{where}: {name[:60]!a} is no file of a cache with its SHA-256; {remedy}")
    return sums


def sums_text(sums: Mapping[str, str]) -> str:
    """Format digests as `SHA256SUMS`; there is exactly one valid text for given digests."""
    return "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))


def read_index(folder: Path) -> dict[int, IndexedShard]:
    """Read the index.

    Raises
    ------
    CacheError
        Where it is missing, newer than this library, contradicts itself, or does not match ``SHA256SUMS``.
    """
    return indexed_shards(read_index_table(folder))


def read_index_table(folder: Path) -> IndexTable:
    """Read the index as one table; errors as `read_index`."""
    path = folder / INDEX_FILE
    remedy = f"'ravfeat cache rebuild-index {folder}' makes it from the shards"
    data = read_limited(path, _MAX_INDEX_BYTES, CacheError, remedy)
    # The digest of the bytes just read: an extraction may replace the file before a second read.
    sums = read_sums(folder)
    if sums[INDEX_FILE] != hashlib.sha256(data).hexdigest():
        raise CacheError(f"{path} does not match its digest in {SUMS_FILE}; {remedy}")
    index = parse_index(data, str(path), remedy)
    for first in index.firsts():
        if sums.get(first["shard_file"]) != first["shard_sha256"]:
            raise CacheError(f"{path} has another SHA-256 of {first['shard_file']} than {SUMS_FILE}; {remedy}")
    return index


def indexed_shards(index: IndexTable, *, rows: bool = True) -> dict[int, IndexedShard]:
    """Return the entries of an index by shard, in ascending order; without `rows` they do not hold the table."""
    # A shard has at least one clip; what describes the file is the same in all its rows.
    parts: Iterable[IndexRows | tuple[()]] = index.rows() if rows else repeat(())
    shards = (_indexed(first, part) for first, part in zip(index.firsts(), parts, strict=False))
    return {shard.number: shard for shard in shards}


def _indexed(first: Mapping[str, Any], rows: Sequence[dict[str, Any]]) -> IndexedShard:
    features = (first["shard_features_offset"], first["shard_features_bytes"])
    digests = (first["shard_sha256"], first["shard_metadata_sha256"], first["shard_head_sha256"])
    return IndexedShard(
        first["shard"], first["shard_bytes"], *digests, features, rows, first["shard_provenance_sha256"]
    )


def index_shard(path: Path, children: ChildProcesses) -> IndexedShard:
    """Check one shard in full, in a child process, and return its entry.

    Raises
    ------
    ShardError
        Where its contents do not match their digests, or its number is not that of its name.
    """
    contents = children.check(path)
    header = read_header(path)
    if header.number != shard_number(path):
        raise ShardError(
            f"{path} is shard {header.number} under another name; rename it to {shard_file(header.number)}"
        )
    if contents.problems:
        raise ShardError(
            f"{path} is damaged: {contents.problems[0]}; delete it and run the same 'ravfeat extract' again"
        )
    rows = index_rows(header.clips, header.failed)
    head = head_sha256(path, contents.features)
    digests = (contents.sha256, header.metadata_sha256, head, provenance_sha256(header.provenance))
    return _placed(header.number, path.stat().st_size, digests, contents.features, rows)


def index_serialised(content: ShardContent, serialised: SerialisedShard) -> IndexedShard:
    """Return the entry of a shard that is being written, without reading it again."""
    digest = hashlib.sha256(serialised.data).hexdigest()
    rows = index_rows(content.clips, content.failed)
    (offset, size), data = serialised.features, memoryview(serialised.data)
    head = hashlib.sha256(data[:offset])
    head.update(data[offset + size :])
    digests = (digest, serialised.metadata_sha256, head.hexdigest(), provenance_sha256(content.provenance))
    return _placed(content.number, len(data), digests, serialised.features, rows)


def index_rows(clips: Sequence[ClipRecord], failed: Sequence[FailedClip]) -> list[dict[str, Any]]:
    """Return the rows of a shard's clips, without the columns that describe the shard file."""
    rows = [clip.facts() | {"status": "stored"} for clip in clips]
    for clip in failed:
        facts = asdict(clip)
        # The index has no column for the stage; the shard keeps it.
        facts.pop("stage")
        rows.append(facts | {"status": "failed"})
    return rows


def provenance_sha256(provenance: Mapping[str, Any]) -> str:
    """Compute the digest of a shard's provenance, which tells runs apart without opening shards."""
    return hashlib.sha256(canonical_json(provenance).encode()).hexdigest()


def _placed(
    number: int,
    n_bytes: int,
    digests: tuple[str, str, str, str],
    features: tuple[int, int],
    rows: Iterable[dict[str, Any]],
) -> IndexedShard:
    # Failed clips have no frames and no digests; their rows have all columns, some of them empty.
    empty = dict.fromkeys(INDEX_SCHEMA.names)
    sha256, metadata, head, provenance = digests
    place = {
        "shard": number,
        "shard_file": shard_file(number),
        "shard_bytes": n_bytes,
        "shard_sha256": sha256,
        "shard_metadata_sha256": metadata,
        "shard_head_sha256": head,
        "shard_features_offset": features[0],
        "shard_features_bytes": features[1],
        "shard_provenance_sha256": provenance,
    }
    rows = [empty | row | place for row in rows]
    return IndexedShard(number, n_bytes, sha256, metadata, head, features, rows, provenance)


def index_shards(paths: Sequence[Path]) -> dict[int, IndexedShard]:
    """Check shards in full, several in parallel, and return their entries."""
    with ChildProcesses() as children, ThreadPoolExecutor(max_workers=WORKERS) as pool:
        return {shard.number: shard for shard in pool.map(partial(index_shard, children=children), paths)}


def write_index(folder: Path, shards: Mapping[int, IndexedShard], *, time_ns: int | None = None) -> None:
    """Write ``index.parquet``, then ``SHA256SUMS``; the caller holds the cache's `WorkLock.tables`.

    Parameters
    ----------
    folder : Path
    shards : mapping of int to IndexedShard
    time_ns : int, optional
        Of the youngest shard that was looked at, see `ravfeat.cache.known_shards`; default now.
    """
    data = index_bytes(IndexRows.of(shards[number].rows) for number in sorted(shards))
    sums = {shard_file(number): shard.sha256 for number, shard in shards.items()}
    sums[INDEX_FILE] = hashlib.sha256(data).hexdigest()
    _remove_stale_layers(folder, shards)
    # If the process is killed in between, the sums do not match the index: readers refuse the pair and ask for a
    # rebuild, so a half-updated index is never taken for a valid one.
    replace_file(folder / INDEX_FILE, data, time_ns=time_ns)
    replace_file(folder / SUMS_FILE, sums_text(sums | _plain_sums(folder)).encode())


def refresh_sums(folder: Path) -> None:
    """Update the digests of manifest and identity; leave the others as they are."""
    try:
        sums = read_sums(folder)
    except CacheError:
        return  # missing or damaged: written together with the next index
    if sums | _plain_sums(folder) != sums:
        replace_file(folder / SUMS_FILE, sums_text(sums | _plain_sums(folder)).encode())


def _remove_stale_layers(folder: Path, shards: Mapping[int, IndexedShard]) -> None:
    """Delete a table of layers that is not of these shards; publishing makes it again."""
    path = folder / LAYERS_FILE
    if not path.is_file():
        return
    remedy = "delete it: publishing makes it again"
    try:
        table = parse_layer_table(read_limited(path, _MAX_INDEX_BYTES, CacheError, remedy), str(path), remedy)
    except CacheError:
        path.unlink()
        return
    # Shards without features in one range have no rows.
    if any(
        number not in shards or shards[number].sha256 != shard.shard_sha256 for number, shard in table.shards.items()
    ):
        path.unlink()


def _plain_sums(folder: Path) -> dict[str, str]:
    names = (MANIFEST_FILE, IDENTITY_FILE, LAYERS_FILE)
    return {name: sha256_of(folder / name) for name in names if (folder / name).is_file()}
