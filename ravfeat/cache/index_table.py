"""The table of an index: its columns and types, and checks of every row when it is read, column by column."""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ravfeat.cache.format import shard_file
from ravfeat.documents import parse_json
from ravfeat.errors import CacheError
from ravfeat.manifest import checked_columns, parquet_bytes, parquet_table

__all__ = ["INDEX_SCHEMA", "IndexRows", "IndexTable", "index_bytes", "parse_index"]

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
        ("shard_provenance_sha256", pa.string()),
    ],
    metadata={_META_KEY: json.dumps({"version": INDEX_VERSION}).encode()},
)

_OLDER_LACK = ("shard_head_sha256", "shard_features_offset", "shard_features_bytes", "shard_provenance_sha256")
_OF_FILE = tuple(name for name in INDEX_SCHEMA.names if name.startswith("shard"))
_OF_CLIP = ("clip_id", "performance_id", "actor", "gender", "label", "status")
_OF_STORED = ("n_samples", "rate_hz", "input_sha256", "features_sha256", "frame_start", "n_frames")
_DIGEST = re.compile("[0-9a-f]{64}")
_MAX_FRAMES = 1 << 31
"""Of a clip, where frames are added up in 64 bits; a clip of more is added up by Python."""


@dataclass(frozen=True)
class _Metadata:
    version: int


_NO_ROWS = INDEX_SCHEMA.empty_table()


class IndexRows(Sequence[dict[str, Any]]):
    """Rows of an index, which become dictionaries when they are asked for.

    Parameters
    ----------
    table : pyarrow.Table
        With the columns of `INDEX_SCHEMA`.
    start, stop : int
        Which of its rows.
    """

    def __init__(self, table: pa.Table, start: int, stop: int) -> None:
        self.table, self.start, self.stop = table, start, stop

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> "IndexRows":
        """Put rows into columns; of such rows the same object."""
        if isinstance(rows, IndexRows):
            return rows
        listed = [dict(row) for row in rows]
        return cls(pa.Table.from_pylist(listed, schema=INDEX_SCHEMA) if listed else _NO_ROWS, 0, len(listed))

    def columns(self) -> pa.Table:
        """Return the rows as a table."""
        return self.table.slice(self.start, self.stop - self.start)

    def __len__(self) -> int:
        return self.stop - self.start

    @overload
    def __getitem__(self, row: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, row: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, row: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        return _dictionaries(self.columns())[row]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(_dictionaries(self.columns()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IndexRows) and bool(self.columns().equals(other.columns()))

    def __hash__(self) -> int:
        return hash((self.start, self.stop))

    def __repr__(self) -> str:
        return f"<{len(self)} rows>"


@dataclass(frozen=True)
class IndexTable:
    """An index whose rows were checked, shard by shard in ascending order.

    Attributes
    ----------
    table : pyarrow.Table
        With the columns of `INDEX_SCHEMA`.
    numbers : ndarray of shape (S,), int64
        Of the shards.
    bounds : ndarray of shape (S + 1,), int64
        Rows ``bounds[i]`` to ``bounds[i + 1]`` are those of shard ``numbers[i]``.
    """

    table: pa.Table
    numbers: NDArray[np.int64]
    bounds: NDArray[np.int64]

    @classmethod
    def of(cls, table: pa.Table) -> "IndexTable":
        """Group the rows of a table."""
        numbers = _integers(table["shard"], -1)
        if not np.all(numbers[:-1] <= numbers[1:]):
            order = np.argsort(numbers, kind="stable")
            table, numbers = table.take(order), numbers[order]
        unique, starts = np.unique(numbers, return_index=True)
        return cls(table, unique, np.append(starts, len(table)))

    def rows(self) -> Iterator[IndexRows]:
        """Yield the rows of every shard."""
        for start, stop in pairwise(self.bounds.tolist()):
            yield IndexRows(self.table, start, stop)

    def firsts(self) -> list[dict[str, Any]]:
        """Return the first row of every shard, which says of its file what all its rows say."""
        return _dictionaries(self.table.take(self.bounds[:-1]))

    @property
    def shards(self) -> NDArray[np.int64]:
        """Place of every row's shard in `numbers`; shape (N,)."""
        return np.repeat(np.arange(len(self.numbers)), np.diff(self.bounds))

    def stored(self, names: Sequence[str]) -> pa.Table:
        """Return some columns of the stored clips, in the order of the files."""
        table = self.table.select(list(names)).replace_schema_metadata(None)
        return (table if self.is_stored.all() else table.filter(pa.array(self.is_stored))).combine_chunks()

    @property
    def is_stored(self) -> NDArray[np.bool_]:
        """Whether a row's clip is stored, or has failed; shape (N,)."""
        return np.asarray(pc.fill_null(pc.equal(self.table["status"], "stored"), False))  # noqa: FBT003 (a value)


def _dictionaries(table: pa.Table) -> list[dict[str, Any]]:
    # Much faster than to_pylist.
    columns = table.to_pydict().values()
    return [dict(zip(table.column_names, cells, strict=True)) for cells in zip(*columns, strict=True)]


def _integers(column: pa.ChunkedArray, empty: int) -> NDArray[np.int64]:
    return np.asarray(pc.fill_null(column, empty), np.int64)


def index_bytes(shards: Iterable[IndexRows]) -> bytes:
    """Serialise the rows of shards as the file ``index.parquet``."""
    tables = [rows.columns() for rows in _merged(shards)]
    return parquet_bytes(pa.concat_tables([_NO_ROWS, *tables]))


def _merged(shards: Iterable[IndexRows]) -> list[IndexRows]:
    """Join rows that follow each other in one table: most shards of an index stay as they are when some change."""
    merged: list[IndexRows] = []
    for rows in shards:
        if merged and merged[-1].table is rows.table and merged[-1].stop == rows.start:
            rows = IndexRows(rows.table, merged.pop().start, rows.stop)
        merged.append(rows)
    return merged


def parse_index(data: bytes, where: str, remedy: str) -> IndexTable:
    """Parse the bytes of an index and check every row.

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
    index = IndexTable.of(table.replace_schema_metadata(INDEX_SCHEMA.metadata))
    # The clips before the shards, which count their frames.
    if problem := _clips_problem(index) or _shards_problem(index):
        raise CacheError(f"{where}: {problem}; {remedy}")
    return index


def _clips_problem(index: IndexTable) -> str:
    """Find by columns the first row that is wrong, and describe it; empty where none is."""
    table, stored = index.table, index.is_stored
    kinds = pa.array(["stored", "failed"])
    wrong = ~np.asarray(pc.is_in(table["status"], value_set=kinds), bool)
    for name in _OF_CLIP:
        wrong |= np.asarray(table[name].is_null())
    for name in _OF_STORED:
        wrong |= np.asarray(table[name].is_valid()) != stored
    wrong |= np.asarray(table["reason"].is_null()) != stored
    rate_hz = np.asarray(pc.fill_null(table["rate_hz"], 0.0))
    wrong |= stored & ~((_integers(table["n_samples"], 0) >= 0) & (rate_hz >= 0) & (rate_hz < math.inf))
    return next((_clip_problem(row) for row in _dictionaries(table.take(np.flatnonzero(wrong)[:1]))), "")


def _clip_problem(row: Mapping[str, Any]) -> str:
    stored = row["status"] == "stored"
    if None in [row[name] for name in _OF_CLIP] or row["status"] not in {"stored", "failed"}:
        return f"clip '{row['clip_id']}' lacks one of {', '.join(_OF_CLIP)}"
    if any((row[name] is not None) != stored for name in _OF_STORED) or (row["reason"] is None) != stored:
        return f"clip '{row['clip_id']}' is {row['status']} and has other columns than such clips"
    return f"clip '{row['clip_id']}' has {row['n_samples']} samples at {row['rate_hz']} Hz"


def _shards_problem(index: IndexTable) -> str:
    suspected = _of_two_files(index) | _with_gaps(index)
    for place, (first, rows) in enumerate(zip(index.firsts(), index.rows(), strict=True)):
        problem = _file_problem(first) or (suspected[place] and _rows_problem(rows))
        if problem:
            return problem
    return ""


def _of_two_files(index: IndexTable) -> NDArray[np.bool_]:
    """Mark the shards whose rows do not say the same of their file."""
    first_of_row = index.bounds[:-1][index.shards]
    other = np.zeros(len(index.table), bool)
    for name in _OF_FILE:
        column = index.table[name].combine_chunks()
        codes = _integers(column.dictionary_encode().indices, -1)
        other |= codes != codes[first_of_row]
    return _of_shards(index, other)


def _with_gaps(index: IndexTable) -> NDArray[np.bool_]:
    """Mark the shards whose stored clips do not lie one after another."""
    n_frames = _integers(index.table["n_frames"], 0)
    starts = np.cumsum(n_frames) - n_frames
    expected = starts - starts[index.bounds[:-1]][index.shards]
    fits = (_integers(index.table["frame_start"], 0) == expected) & (n_frames >= 1) & (n_frames <= _MAX_FRAMES)
    return _of_shards(index, index.is_stored & ~fits)


def _of_shards(index: IndexTable, rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
    marked = np.zeros(len(index.numbers), bool)
    marked[index.shards[rows]] = True
    return marked


def _file_problem(row: Mapping[str, Any]) -> str:
    number = row["shard"]
    if number is None or number < 0 or row["shard_file"] != shard_file(number):
        return f"shard {number} has the file '{row['shard_file']}'"
    if row["shard_bytes"] is None or row["shard_bytes"] <= 0:
        return f"{row['shard_file']} has {row['shard_bytes']} bytes"
    digests = [row["shard_sha256"], row["shard_metadata_sha256"]]
    offset, size = row["shard_features_offset"], row["shard_features_bytes"]
    if row["shard_head_sha256"] is not None:
        digests.append(row["shard_head_sha256"])
        if offset is None or size is None or min(offset, size) < 0 or offset + size > row["shard_bytes"]:
            return f"features of {row['shard_file']} lie at byte {offset}, {size} bytes: not in the file"
    if row["shard_provenance_sha256"] is not None:
        digests.append(row["shard_provenance_sha256"])
    if not all(digest is not None and _DIGEST.fullmatch(digest) for digest in digests):
        return f"a digest of {row['shard_file']} is none"
    return ""


def _rows_problem(rows: IndexRows) -> str:
    first, end = rows[0], 0
    place = [first[name] for name in _OF_FILE]
    if any([row[name] for name in _OF_FILE] != place for row in rows):
        return f"it has two sizes or digests of {first['shard_file']}"
    for row in rows:
        if row["status"] == "stored":
            if row["frame_start"] != end or row["n_frames"] < 1:
                return f"clip '{row['clip_id']}' starts at frame {row['frame_start']}, expected {end}"
            end += row["n_frames"]
    return ""
