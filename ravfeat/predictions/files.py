"""Prediction and score tables on disk."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ravfeat.errors import PredictionsError
from ravfeat.files import replace_file

__all__ = ["FORMAT_VERSION", "read_predictions", "read_scores", "write_predictions", "write_scores"]

FORMAT_VERSION = 1

_METADATA_KEY = b"ravfeat.predictions"
_FACTS = {"classes", "protocol", "leaky", "select", "synthetic"}


def read_predictions(path: Path) -> tuple[pa.Table, dict[str, Any]]:
    """Read a table and what its metadata says about it, neither checked further."""
    table = _read_table(path)
    return table, _about(table, path)


def write_predictions(table: pa.Table, about: Mapping[str, Any], path: Path) -> None:
    """Write a table and what holds for all of it: whole or not at all."""
    text = json.dumps({"format_version": FORMAT_VERSION, **about}, sort_keys=True)
    _write_table(table.replace_schema_metadata({_METADATA_KEY: text.encode()}), path)


def write_scores(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the rows of `stats.score_rows` as ``scores.parquet``: whole or not at all."""
    _write_table(pa.Table.from_pylist([dict(row) for row in rows]), path)


def read_scores(path: Path) -> list[dict[str, Any]]:
    """Read rows written by `write_scores`."""
    rows: list[dict[str, Any]] = _read_table(path).to_pylist()
    return rows


def _read_table(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except FileNotFoundError as error:
        raise PredictionsError(f"{path} does not exist; a run folder holds {path.name}") from error
    except (OSError, pa.ArrowInvalid) as error:
        raise PredictionsError(f"{path} cannot be read as Parquet: {error}") from error


def _write_table(table: pa.Table, path: Path) -> None:
    # Into memory first: `replace_file` then writes the file whole or not at all, from a view of the buffer.
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer, compression="zstd")
    replace_file(path, memoryview(buffer.getvalue()))


def _about(table: pa.Table, path: Path) -> dict[str, Any]:
    raw = (table.schema.metadata or {}).get(_METADATA_KEY)
    if raw is None:
        raise PredictionsError(
            f"{path} is not a prediction table: its Parquet metadata lacks '{_METADATA_KEY.decode()}'"
        )
    about: dict[str, Any] = json.loads(raw)
    version = about.pop("format_version", None)
    if version != FORMAT_VERSION:
        raise PredictionsError(
            f"{path} has prediction format {version}, this ravfeat reads {FORMAT_VERSION}; make it again"
        )
    if about.keys() != _FACTS:
        raise PredictionsError(f"{path} says {sorted(about)} about itself, expected {sorted(_FACTS)}")
    return about
