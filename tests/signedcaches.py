"""Sign a changed cache anew, so that all digests fit: what a stranger who means harm would do."""

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa

from ravfeat.cache.digests import head_sha256
from ravfeat.cache.format import (
    CLIP_COLUMNS,
    FAILED_COLUMNS,
    IDENTITY_FILE,
    INDEX_FILE,
    MANIFEST_FILE,
    SUMS_FILE,
    fingerprint,
    identity_text,
    shard_number,
)
from ravfeat.cache.index import sums_text
from ravfeat.cache.index_table import INDEX_SCHEMA
from ravfeat.files import canonical_json, sha256_of
from ravfeat.manifest import parquet_bytes, parquet_table

SHARD = "shard-00000.h5"


def change_shard(folder: Path, change: Callable[[h5py.File], object]) -> None:
    """Change the first shard through HDF5, and sign it and the cache anew, with the rows that it holds now."""
    with h5py.File(folder / SHARD, "r+") as file:
        change(file)
        with suppress(Exception):  # nonsense has no digest
            sign_metadata(file)
    sign(folder)


def sign_metadata(file: h5py.File) -> None:
    """Write a shard's fingerprint and ``metadata_sha256`` anew, as cache/README.md describes them."""
    value: dict[str, Any] = {name: json.loads(file.attrs[name]) for name in ("about", "identity", "provenance")}
    file.attrs["fingerprint"] = fingerprint(value["identity"])
    value |= {"number": int(file.attrs["shard"])}
    value |= {"clips": _rows(file["clips"], CLIP_COLUMNS), "failed": _rows(file["failed"], FAILED_COLUMNS)}
    value["time_s"] = hashlib.sha256(file["frames/time_s"][...].astype("<f8").tobytes()).hexdigest()
    columns = {name: file["frames"][name][...].astype("<f4") for name in file["frames"] if name != "time_s"}
    if columns:
        value["frames"] = {name: hashlib.sha256(values.tobytes()).hexdigest() for name, values in columns.items()}
    if "layers_sha256" in file["clips"]:
        value["layers_sha256"] = file["clips/layers_sha256"].asstr()[...].tolist()
    if "further" in file["clips"]:
        further = file["clips/further"]
        value["further"] = {name: [None if cell != cell else cell for cell in further[name][...]] for name in further}
    if "source" in file.attrs:
        value["source"] = json.loads(file.attrs["source"])
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)  # with NaN
    file.attrs["metadata_sha256"] = hashlib.sha256(text.encode()).hexdigest()


def _rows(group: h5py.Group, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    cells = {name: group[name] for name in columns}
    lists = [(d.asstr() if h5py.check_string_dtype(d.dtype) else d)[...].tolist() for d in cells.values()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*lists, strict=True)]


def sign(folder: Path, name: str = SHARD) -> None:
    """Write the index's rows of a shard anew from what it holds, as far as that can be read, and all digests."""
    path, number = folder / name, shard_number(Path(name))
    table = parquet_table((folder / INDEX_FILE).read_bytes()).to_pylist()
    rows = [row for row in table if row["shard"] == number]
    of_file = {column: rows[0][column] for column in INDEX_SCHEMA.names if column.startswith("shard")}
    place = (of_file["shard_features_offset"], of_file["shard_features_bytes"])
    with suppress(Exception), h5py.File(path, "r") as file:
        place = (int(file["features"].id.get_offset() or 0), int(file["features"].nbytes))
        of_file["shard_metadata_sha256"] = str(file.attrs["metadata_sha256"])
        (folder / IDENTITY_FILE).write_text(identity_text(json.loads(file.attrs["identity"])))
        stored = [row | {"status": "stored"} for row in _rows(file["clips"], CLIP_COLUMNS)]
        failed = [row | {"status": "failed"} for row in _rows(file["failed"], FAILED_COLUMNS) if row.pop("stage")]
        pa.Table.from_pylist(stored + failed, schema=INDEX_SCHEMA)  # or the old rows stay
        rows = stored + failed
    size = path.stat().st_size
    place = (min(place[0], size), max(0, min(place[1], size - place[0])))
    of_file |= {"shard_bytes": size, "shard_sha256": sha256_of(path), "shard_head_sha256": head_sha256(path, place)}
    of_file |= {"shard_features_offset": place[0], "shard_features_bytes": place[1]}
    others = [row for row in table if row["shard"] != number]
    rows = sorted([*others, *(row | of_file for row in rows)], key=lambda row: int(row["shard"]))
    write_index(folder, pa.Table.from_pylist(rows, schema=INDEX_SCHEMA))


def write_index(folder: Path, table: pa.Table | bytes) -> None:
    """Write an index, and SHA256SUMS of what is there."""
    (folder / INDEX_FILE).write_bytes(table if isinstance(table, bytes) else parquet_bytes(table))
    write_sums(folder)


def change_index(folder: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change the table of the index, and sign it anew."""
    write_index(folder, change(parquet_table((folder / INDEX_FILE).read_bytes())))


def write_sums(folder: Path, more: Mapping[str, str] | None = None) -> None:
    """Write SHA256SUMS of the regular files that are there."""
    names = [path.name for path in folder.iterdir() if path.is_file() and _is_listed(path)]
    sums = {name: sha256_of(folder / name) for name in names}
    (folder / SUMS_FILE).write_text(sums_text(sums | dict(more or {})))


def _is_listed(path: Path) -> bool:
    return path.name in {INDEX_FILE, IDENTITY_FILE, MANIFEST_FILE} or shard_number(path) is not None


def change_manifest(folder: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change the table of the manifest, and sign it anew."""
    table = change(parquet_table((folder / MANIFEST_FILE).read_bytes()))
    with suppress(Exception):
        meta = json.loads(table.schema.metadata[b"ravfeat.manifest"])
        rows = table.to_pylist()
        clips = [[None if cell != cell else cell for cell in list(row.values())[:7]] for row in rows]
        value = {name: meta[name] for name in ("corpus", "classes", "synthetic")}
        value |= {"clips": clips, "shard": [row["shard"] for row in rows]}
        plan = {"sha256": hashlib.sha256(canonical_json(value).encode()).hexdigest()}
        if b"ravfeat.plan" in table.schema.metadata:
            table = table.replace_schema_metadata({**table.schema.metadata, b"ravfeat.plan": json.dumps(plan).encode()})
    (folder / MANIFEST_FILE).write_bytes(parquet_bytes(table))
    write_sums(folder)


def set_cells(table: pa.Table, name: str, value: Any, row: int = 0) -> pa.Table:
    """Change one cell of a column, which may get another type by it."""
    values = table[name].to_pylist()
    values[row] = value
    try:
        column = pa.array(values, table.schema.field(name).type)
    except (pa.ArrowException, TypeError, ValueError):
        column = pa.array(list(map(str, values)))
    return table.set_column(table.column_names.index(name), name, column)


def set_document(file: h5py.File, name: str, change: Callable[[Any], Any]) -> None:
    """Change the JSON of an attribute."""
    file.attrs[name] = json.dumps(change(json.loads(file.attrs[name])))


def set_column(file: h5py.File, name: str, values: Any, dtype: Any = None) -> None:
    """Put another array in the place of one."""
    attributes = dict(file[name].attrs)
    del file[name]
    file.create_dataset(name, data=values, dtype=dtype)
    file[name].attrs.update(attributes)


def changed_cell(file: h5py.File, name: str, value: Any, row: int = 0) -> None:
    """Change one cell of a column."""
    data = file[name]
    values = (data.asstr() if h5py.check_string_dtype(data.dtype) else data)[...]
    values = values.astype(object) if isinstance(value, str) else np.array(values)
    values[row] = value
    set_column(file, name, values, h5py.string_dtype() if isinstance(value, str) else None)
