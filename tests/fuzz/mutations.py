"""Seeded mutations of files (bytes, JSON, TOML, Parquet), and the limits under which a reader has to bear them.

`mutated` damages one file in one random way; equal seeds give equal damage. `outcome` calls a reader and lets only our
own errors count as an answer: anything else, over 20 seconds, or over 2 GB is a fault of the reader. How many mutations
a test tries stands in the environment variable ``RAVFEAT_FUZZ``.
"""

import faulthandler
import io
import json
import os
import re
import resource
import signal
import sys
import tomllib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
import tomli_w

from ravfeat.errors import RavfeatError

LIMIT_S, LIMIT_BYTES = 20, 2 << 30

T = TypeVar("T")


def rounds(usual: int) -> int:
    """How many mutations to try: what RAVFEAT_FUZZ says, else a few."""
    return int(os.environ.get("RAVFEAT_FUZZ", usual))


# --- the reader


def outcome(read: Callable[[], T]) -> T | RavfeatError:
    """What a reader gives, or the error of ours that it raises; fails where it takes too long or too much memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        with _within_time(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value: T | RavfeatError = read()
    except RavfeatError as error:
        value = error
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    grown = (peak - before) * (1 if sys.platform == "darwin" else 1024)  # kilobytes on Linux
    assert grown < LIMIT_BYTES, f"the reader took {grown >> 20} MB"
    return value


@contextmanager
def _within_time() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise AssertionError(f"the reader took over {LIMIT_S} s")

    handler = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LIMIT_S)
    faulthandler.dump_traceback_later(3 * LIMIT_S, exit=True)  # a library that hangs hears no signal
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)
        faulthandler.cancel_dump_traceback_later()


# --- a file


def mutated(name: str | Path, data: bytes, random: Random) -> bytes:
    """Damage the content of a file in one random way that suits the suffix of its name."""
    kinds = {".json": mutate_json, ".toml": mutate_toml, ".parquet": mutate_parquet}
    mutate = kinds.get(Path(name).suffix, mutate_bytes)
    return mutate(data, random) if random.random() < 0.8 else mutate_bytes(data, random)


def mutate_bytes(data: bytes, random: Random) -> bytes:
    """Flip bits, overwrite, insert, delete, repeat or swap blocks, cut, or lengthen."""
    start = random.randrange(len(data) + 1)
    stop = min(len(data), start + random.choice((1, 2, 8, 64, 1024)))
    block = data[start:stop]
    change = random.randrange(9)
    if change == 0 and block:
        bits = bytearray(block)
        for _ in range(random.choice((1, 1, 1, 4))):
            bits[random.randrange(len(bits))] ^= 1 << random.randrange(8)
        return data[:start] + bytes(bits) + data[stop:]
    if change == 1:
        return data[:start] + random.randbytes(len(block)) + data[stop:]
    if change == 2:
        return data[:start] + bytes([random.choice((0, 255, 127, 128))]) * len(block) + data[stop:]
    if change == 3:
        return data[:start] + random.randbytes(random.choice((1, 8, 1024))) + data[start:]
    if change == 4:
        return data[:start] + data[stop:]
    if change == 5:
        return data[:start] + block * random.choice((2, 3, 100)) + data[stop:]
    if change == 6:
        return data[:start]
    if change == 7:
        return data + random.choice((b"\0", b"\n{}", data, random.randbytes(64)))
    other = random.randrange(len(data) + 1)
    return data[:start] + data[other : other + len(block)] + data[stop:]


# --- values, as JSON and TOML have them

_ODD = (
    None, True, False, 0, -1, 1, 2, 3.5, -0.0, 1e-320, 1e300, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 10**400,
    float("nan"), float("inf"), float("-inf"), "", " ", "nan", "None", "text", "1", "../../up", "/etc/passwd",
    "\0", "\n", "\u001b[31m", "\u202e", "\ud800", "a" * 5000, "<b>x</b>", "[x](y)", "$x^2$", [], {}, [[]], [None],
    {"a": 1}, {"": []}, "2020-01-01", "é", "e\u0301", "\ufeff",
)  # fmt: skip


def mutate_value(value: Any, random: Random) -> Any:
    """Change one random place of a JSON value: another value or type, gone, twice, nested, swapped, renamed."""
    value = {"": deepcopy(value)}
    places = list(_places(value))
    holder, key = random.choice(places[:20] if random.random() < 0.3 else places)
    old = holder[key]
    change = random.randrange(8)
    if change == 0 and holder is not value:
        del holder[key]
    elif change == 1 and isinstance(holder, list):
        holder.insert(key, deepcopy(old))
    elif change == 2:
        for _ in range(random.choice((1, 1, 3, 300))):
            holder[key] = [holder[key]] if random.random() < 0.5 else {"a": holder[key]}
    elif change == 3:
        other, place = random.choice(places)
        holder[key] = deepcopy(other[place])
    elif change == 4 and isinstance(holder, dict) and holder is not value:
        holder[random.choice(("", "x", key + "x", key.upper(), "\u001b[31m"))] = holder.pop(key)
    elif change == 5 and isinstance(old, int | float) and not isinstance(old, bool):
        holder[key] = random.choice((-old, old + 1, old - 1, old * 1.0001, old * 1e9, str(old), float(old)))
    else:
        holder[key] = deepcopy(random.choice(_ODD))
    return value.get("")


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    parts: Mapping[Any, Any] | Sequence[Any] = value if isinstance(value, dict) else dict(enumerate(value))
    for key in parts:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def mutate_json(data: bytes, random: Random) -> bytes:
    """Change one value of a JSON text, or name a key twice."""
    text = json.dumps(mutate_value(json.loads(data), random))
    if random.random() < 0.05 and (keys := list(re.finditer(r'\{("[^"\\]*": )', text))):
        chosen = random.choice(keys)
        text = text[: chosen.end()] + "0, " + text[chosen.start(1) :]
    return text.encode()


def mutate_toml(data: bytes, random: Random) -> bytes:
    """Change one value of a TOML text; what TOML cannot hold is tried again."""
    while True:
        try:
            return tomli_w.dumps(mutate_value(tomllib.loads(data.decode()), random)).encode()
        except (TypeError, ValueError, AttributeError, RecursionError):
            continue


# --- Parquet

_TYPES = (
    pa.string(), pa.large_string(), pa.binary(), pa.int8(), pa.int64(), pa.float32(), pa.float64(), pa.bool_(),
    pa.dictionary(pa.int32(), pa.string()), pa.list_(pa.string()), pa.timestamp("us"), pa.null(), pa.decimal128(30, 3),
)  # fmt: skip


def mutate_parquet(data: bytes, random: Random) -> bytes:
    """Change columns, types, cells, rows or metadata of a Parquet file, and write it anew."""
    table = pq.read_table(io.BytesIO(data))
    table = random.choice((_change_columns, _change_type, _change_cell, _change_cell, _change_rows, _change_metadata))(
        table, random
    )
    buffer = io.BytesIO()
    try:
        pq.write_table(table, buffer, compression=random.choice(("zstd", "snappy", "none")))
    except (pa.ArrowException, OSError):  # a type that Parquet does not know
        return mutate_bytes(data, random)
    return buffer.getvalue()


def _change_columns(table: pa.Table, random: Random) -> pa.Table:
    number = random.randrange(table.num_columns)
    name, column = table.column_names[number], table.column(number)
    change = random.randrange(4)
    if change == 0:
        return table.remove_column(number)
    if change == 1:
        names = [*table.column_names]
        names[number] = random.choice(("", name + "x", name.upper(), names[0], "\u001b[31m"))
        return table.rename_columns(names)
    if change == 2:
        return table.append_column(random.choice((name, "more")), column)
    return table.select(random.sample(range(table.num_columns), table.num_columns))


def _change_type(table: pa.Table, random: Random) -> pa.Table:
    number = random.randrange(table.num_columns)
    name, column = table.column_names[number], table.column(number)
    kind = random.choice(_TYPES)
    try:
        cast = column.cast(kind)
    except pa.ArrowException:
        cast = pa.nulls(len(column), kind) if random.random() < 0.3 else pa.array([[1]] * len(column))
    return table.set_column(number, name, cast)


def _change_cell(table: pa.Table, random: Random) -> pa.Table:
    number = random.randrange(table.num_columns)
    name, column = table.column_names[number], table.column(number)
    values = column.to_pylist()
    row = random.randrange(len(values)) if values else None
    if row is None:
        return table
    value = values[row]
    plain = not isinstance(value, bytes)
    values[row] = mutate_value(value, random) if plain and random.random() < 0.7 else random.choice(values)
    if random.random() < 0.2:
        values = [values[row]] * len(values)
    try:
        changed = pa.array(values, column.type if random.random() < 0.7 else None)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        changed = pa.array([json.dumps(value, default=str) for value in values])
    return table.set_column(number, name, changed)


def _change_rows(table: pa.Table, random: Random) -> pa.Table:
    rows = list(range(table.num_rows))
    change = random.randrange(5)
    if change == 0:
        rows = []
    elif change == 1 and rows:
        rows.insert(random.randrange(len(rows)), random.choice(rows))
    elif change == 2 and rows:
        rows.pop(random.randrange(len(rows)))
    elif change == 3:
        rows = rows[: random.randrange(len(rows) + 1)]
    else:
        random.shuffle(rows)
    return table.take(pa.array(rows, pa.int64()))


def _change_metadata(table: pa.Table, random: Random) -> pa.Table:
    metadata = dict(table.schema.metadata or {})
    if not metadata:
        return table.replace_schema_metadata({"a": "b"})
    key = random.choice(sorted(metadata))
    change = random.randrange(4)
    if change == 0:
        del metadata[key]
    elif change == 1:
        metadata[key] = mutate_bytes(metadata[key], random)
    else:
        try:
            metadata[key] = mutate_json(metadata[key], random)
        except ValueError:
            metadata[key] = mutate_bytes(metadata[key], random)
    return table.replace_schema_metadata(metadata)
