"""Read tables and documents written as JSON lines (.jsonl, .ndjson, and these gzipped), with bounds on their size."""

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from ravfeat.errors import CorpusError
from ravfeat.files import read_limited

__all__ = ["is_jsonl", "read_jsonl", "read_objects"]

_SUFFIXES = (".jsonl", ".ndjson")
_MAX_BYTES = 1 << 30
_MAX_LINE = 1 << 20
_MAX_COLUMNS = 1000
_REMEDY = "expected one JSON object per line"


def is_jsonl(path: Path) -> bool:
    """Whether a file's name says that it holds JSON lines."""
    return path.name.lower().removesuffix(".gz").endswith(_SUFFIXES)


def read_jsonl(path: Path) -> pa.Table:
    """Read a table of texts: a row per line, a column per key; what is nested is written as JSON.

    Raises
    ------
    CorpusError
        As `read_objects`, and for more than a thousand keys.
    """
    rows = list(read_objects(path))
    names = dict.fromkeys(name for row in rows for name in row)
    if len(names) > _MAX_COLUMNS:
        raise CorpusError(f"{path} has {len(names)} different keys, expected at most {_MAX_COLUMNS}")
    return pa.table({name: pa.array([_text(row.get(name)) for row in rows], pa.string()) for name in names})


def read_objects(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the object of every line; empty lines are passed over.

    Raises
    ------
    CorpusError
        Where the file is missing or too large, or a line is no JSON object or has a key twice.
    """
    data = read_limited(path, _MAX_BYTES, CorpusError, _REMEDY)
    if path.name.lower().endswith(".gz"):
        data = _unpacked(path, data)
    for number, line in enumerate(data.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            if len(line) > _MAX_LINE:
                raise ValueError(f"it has {len(line)} bytes")
            value = json.loads(
                line.decode("utf-8-sig"), object_pairs_hook=_without_twice, parse_constant=lambda _: None
            )
        except (ValueError, RecursionError) as error:
            raise CorpusError(f"{path}, line {number} cannot be read as JSON ({error}); {_REMEDY}") from error
        if not isinstance(value, dict):
            raise CorpusError(f"{path}, line {number} is {type(value).__name__}; {_REMEDY}")
        yield value


def _unpacked(path: Path, data: bytes) -> bytes:
    parts, left = [], _MAX_BYTES
    while data:
        unpacker = zlib.decompressobj(wbits=31)
        try:
            parts.append(unpacker.decompress(data, left))
        except zlib.error as error:
            raise CorpusError(f"{path} cannot be unpacked ({error}); copy it again") from error
        left -= len(parts[-1])
        if unpacker.unconsumed_tail or left <= 0:
            raise CorpusError(f"{path} unpacks to more than {_MAX_BYTES >> 20} MB; split it")
        if not unpacker.eof:
            raise CorpusError(f"{path} is cut off; copy it again")
        data = unpacker.unused_data  # another member may follow
    return b"".join(parts)


def _without_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key is there twice")
    return value


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return json.dumps(value, ensure_ascii=False)
