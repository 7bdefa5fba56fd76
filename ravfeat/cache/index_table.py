"""The table of an index: its columns and types, and checks of every row when it is read."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ravfeat.cache.format import shard_file
from ravfeat.documents import parse_json
from ravfeat.errors import CacheError
from ravfeat.manifest import checked_columns, parquet_bytes, parquet_table

__all__ = ["INDEX_SCHEMA", "index_bytes", "parse_index"]

INDEX_VERSION = 1
_META_KEY = b"ravfeat.index"

INDEX_SCHEMA = pa.schema(
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
        ("shard_head_sha256", pa.string()),
        ("shard_features_offset", pa.int64()),
        ("shard_features_bytes", pa.int64()),
    ],
    metadata={_META_KEY: json.dumps({"version": INDEX_VERSION}).encode()},
)

_OLDER_LACK = ("shard_head_sha256", "shard_features_offset", "shard_features_bytes")
_OF_FILE = tuple(name for name in INDEX_SCHEMA.names if name.startswith("shard"))
_OF_CLIP = ("clip_id", "performance_id", "actor", "gender", "label", "status")
_OF_STORED = ("n_samples", "rate_hz", "input_sha256", "features_sha256", "frame_start", "n_frames")
_DIGEST = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class _Metadata:
    version: int


def index_bytes(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Serialise rows as the file ``index.parquet``."""
    return parquet_bytes(pa.Table.from_pylist(list(rows), schema=INDEX_SCHEMA))


def parse_index(data: bytes, where: str, remedy: str) -> dict[int, list[dict[str, Any]]]:
    """Parse the bytes of an index; return the rows of every shard.

    Raises
    ------
    CacheError
        For another version, other columns, or rows that contradict themselves or each other.
    """
    try:
        table = parquet_table(data)
    except (OSError, pa.ArrowException, UnicodeError) as error:
        raise CacheError(f"{where} cannot be read as Parquet ({error}); {remedy}") from error
    table = checked_columns(table, INDEX_SCHEMA, where, CacheError, remedy, optional=_OLDER_LACK)
    metadata = (table.schema.metadata or {}).get(_META_KEY, b"")
    version = parse_json(metadata, _Metadata, f"{where}, {_META_KEY.decode()}", CacheError, remedy).version
    if version != INDEX_VERSION:
        raise CacheError(f"{where} has index version {version}, this ravfeat reads {INDEX_VERSION}; upgrade it")
    # Much faster than to_pylist.
    rows = [
        dict(zip(INDEX_SCHEMA.names, cells, strict=True)) for cells in zip(*table.to_pydict().values(), strict=True)
    ]
    grouped: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        grouped.setdefault(row["shard"], []).append(row)
    problem = _clips_problem(rows)  # before the shards, which count its frames
    for number, of_shard in grouped.items():
        problem = problem or _shard_problem(number, of_shard)
    if problem:
        raise CacheError(f"{where}: {problem}; {remedy}")
    return grouped


def _clips_problem(rows: Sequence[Mapping[str, Any]]) -> str:
    for row in rows:
        stored = row["status"] == "stored"
        if None in [row[name] for name in _OF_CLIP] or row["status"] not in {"stored", "failed"}:
            return f"clip '{row['clip_id']}' lacks one of {', '.join(_OF_CLIP)}"
        if any((row[name] is not None) != stored for name in _OF_STORED) or (row["reason"] is None) != stored:
            return f"clip '{row['clip_id']}' is {row['status']} and has other columns than such clips"
        if stored and not (row["n_samples"] >= 0 and 0 <= row["rate_hz"] < math.inf):
            return f"clip '{row['clip_id']}' has {row['n_samples']} samples at {row['rate_hz']} Hz"
    return ""


def _shard_problem(number: int | None, rows: Sequence[Mapping[str, Any]]) -> str:
    first, end = rows[0], 0
    if number is None or number < 0 or first["shard_file"] != shard_file(number):
        return f"shard {number} has the file '{first['shard_file']}'"
    place = [first[name] for name in _OF_FILE]
    if any([row[name] for name in _OF_FILE] != place for row in rows):
        return f"it has two sizes or digests of {first['shard_file']}"
    if first["shard_bytes"] is None or first["shard_bytes"] <= 0:
        return f"{first['shard_file']} has {first['shard_bytes']} bytes"
    digests = [first["shard_sha256"], first["shard_metadata_sha256"]]
    offset, size = first["shard_features_offset"], first["shard_features_bytes"]
    if first["shard_head_sha256"] is not None:
        digests.append(first["shard_head_sha256"])
        if offset is None or size is None or min(offset, size) < 0 or offset + size > first["shard_bytes"]:
            return f"features of {first['shard_file']} lie at byte {offset}, {size} bytes: not in the file"
    if not all(digest is not None and _DIGEST.fullmatch(digest) for digest in digests):
        return f"a digest of {first['shard_file']} is none"
    for row in rows:
        if row["status"] == "stored":
            if row["frame_start"] != end or row["n_frames"] < 1:
                return f"clip '{row['clip_id']}' starts at frame {row['frame_start']}, expected {end}"
            end += row["n_frames"]
    return ""
