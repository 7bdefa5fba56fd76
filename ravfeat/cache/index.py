"""The index beside the shards: every clip's place and every shard's SHA-256, rebuildable from the shards.

``SHA256SUMS`` covers everything in the cache's folder, so ``sha256sum -c SHA256SUMS`` checks a copy
on a machine that has no ravfeat.

Offers
------
IndexedShard, read_index, refresh_index, rebuild_index, read_sums, present_shards.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ravfeat.cache.format import (
    IDENTITY_FILE,
    INDEX_FILE,
    MANIFEST_FILE,
    SUMS_FILE,
    ClipRecord,
    FailedClip,
    shard_file,
    shard_number,
)
from ravfeat.cache.shard import ShardHeader, check_features, read_header, stored_metadata_sha256
from ravfeat.errors import CacheError, ShardError
from ravfeat.files import replace_file, sha256_of
from ravfeat.manifest import parquet_bytes

__all__ = [
    "IndexedShard",
    "present_shards",
    "read_index",
    "read_sums",
    "rebuild_index",
    "refresh_index",
    "sums_text",
]

_SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()),
        ("performance_id", pa.string()),
        ("actor", pa.string()),
        ("gender", pa.string()),
        ("label", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("n_samples", pa.int64()),
        ("rate_hz", pa.float64()),
        ("input_sha256", pa.string()),
        ("features_sha256", pa.string()),
        ("frame_start", pa.int64()),
        ("n_frames", pa.int64()),
        ("shard", pa.int64()),
        ("shard_file", pa.string()),
        ("shard_bytes", pa.int64()),
        ("shard_sha256", pa.string()),
        ("shard_metadata_sha256", pa.string()),
    ]
)


@dataclass(frozen=True)
class IndexedShard:
    """One shard as the index knows it.

    Attributes
    ----------
    number, n_bytes : int
    sha256 : str
        Of the file.
    metadata_sha256 : str
        As stored in the shard.
    rows : tuple of dict
        The shard's rows of the index.
    """

    number: int
    n_bytes: int
    sha256: str
    metadata_sha256: str
    rows: tuple[dict[str, Any], ...]


def present_shards(folder: Path) -> dict[int, Path]:
    """Give the shard files that lie in a cache's folder, by number."""
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
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        raise CacheError(f"{path} is missing; 'ravfeat cache rebuild-index {folder}' makes it from the shards") from error
    except UnicodeDecodeError as error:
        raise CacheError(f"{path} is damaged ({error}); 'ravfeat cache rebuild-index {folder}' makes it anew") from error
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in text.split("\n") if line)}
    if text != sums_text(sums):
        raise CacheError(f"{path} is damaged; 'ravfeat cache rebuild-index {folder}' makes it anew")
    return sums


def sums_text(sums: Mapping[str, str]) -> str:
    """Give the one text that `SHA256SUMS` may hold for these digests."""
    return "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))


def read_index(folder: Path) -> dict[int, IndexedShard]:
    """Read the index.

    Raises
    ------
    CacheError
        Where it is missing or does not match ``SHA256SUMS``.
    """
    path = folder / INDEX_FILE
    remedy = f"'ravfeat cache rebuild-index {folder}' makes it from the shards"
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise CacheError(f"{path} is missing; {remedy}") from error
    if read_sums(folder).get(INDEX_FILE) != hashlib.sha256(data).hexdigest():
        raise CacheError(f"{path} does not match its digest in {SUMS_FILE}; {remedy}")
    try:
        rows = pq.read_table(pa.BufferReader(data), page_checksum_verification=True).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise CacheError(f"{path} cannot be read ({error}); {remedy}") from error
    grouped: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        grouped.setdefault(row["shard"], []).append(row)
    return {number: _indexed(number, tuple(grouped[number])) for number in sorted(grouped)}


def _indexed(number: int, rows: tuple[dict[str, Any], ...]) -> IndexedShard:
    first = rows[0]
    return IndexedShard(number, first["shard_bytes"], first["shard_sha256"], first["shard_metadata_sha256"], rows)


def refresh_index(folder: Path, written: Iterable[int] = ()) -> dict[int, IndexedShard]:
    """Bring the index up to date with the shards that lie there.

    Shards the index knows are believed; shards it does not know, that changed, or that are named
    in ``written`` are read and checked in full before they get a row.

    Raises
    ------
    ShardError
        Where a shard's contents do not match their own digests.
    """
    try:
        known = read_index(folder)
    except CacheError:
        known = {}  # it is made from the shards below
    anew = set(written)
    shards = {}
    for number, path in present_shards(folder).items():
        old = None if number in anew else known.get(number)
        if old is not None and old.n_bytes == path.stat().st_size and stored_metadata_sha256(path) == old.metadata_sha256:
            shards[number] = old
        else:
            shards[number] = index_shard(path)
    _write_index(folder, shards)
    return shards


def rebuild_index(folder: Path) -> dict[int, IndexedShard]:
    """Make the index and ``SHA256SUMS`` from the shards alone; every shard is checked in full."""
    return refresh_index(folder, written=present_shards(folder))


def index_shard(path: Path) -> IndexedShard:
    """Check one shard in full and give its rows.

    Raises
    ------
    ShardError
        Where its contents do not match their own digests, or its number is not that of its name.
    """
    header = read_header(path)
    if header.number != shard_number(path):
        raise ShardError(f"{path} is shard {header.number} under another name; rename it to {shard_file(header.number)}")
    if problems := check_features(path, header):
        raise ShardError(f"{path} is damaged: {problems[0]}; delete it and run the same 'ravfeat extract' again")
    digest, size = sha256_of(path), path.stat().st_size
    place = {
        "shard": header.number,
        "shard_file": path.name,
        "shard_bytes": size,
        "shard_sha256": digest,
        "shard_metadata_sha256": header.metadata_sha256,
    }
    return IndexedShard(header.number, size, digest, header.metadata_sha256, tuple(_rows(header, place)))


def _rows(header: ShardHeader, place: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    empty = dict.fromkeys(_SCHEMA.names)
    clips: list[ClipRecord | FailedClip] = [*header.clips, *header.failed]
    for clip in clips:
        values = asdict(clip)
        values.pop("stage", None)
        yield empty | values | {"status": "stored" if isinstance(clip, ClipRecord) else "failed"} | place


def _write_index(folder: Path, shards: Mapping[int, IndexedShard]) -> None:
    rows = [row for number in sorted(shards) for row in shards[number].rows]
    data = parquet_bytes(pa.Table.from_pylist(rows, schema=_SCHEMA))
    sums = {shard_file(number): shard.sha256 for number, shard in shards.items()}
    sums[INDEX_FILE] = hashlib.sha256(data).hexdigest()
    for name in (MANIFEST_FILE, IDENTITY_FILE):
        if (folder / name).is_file():
            sums[name] = sha256_of(folder / name)
    replace_file(folder / INDEX_FILE, data)
    replace_file(folder / SUMS_FILE, sums_text(sums).encode())
