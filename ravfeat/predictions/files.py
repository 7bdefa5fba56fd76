"""Prediction and score tables on disk."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from ravfeat.documents import parse_json
from ravfeat.errors import PredictionsError
from ravfeat.files import replace_file
from ravfeat.manifest import read_parquet

__all__ = ["FORMAT_VERSION", "TableFacts", "read_predictions", "read_scores", "write_predictions", "write_scores"]

FORMAT_VERSION = 1

_METADATA_KEY = b"ravfeat.predictions"
_REMEDY = "make it again"


@dataclass(frozen=True)
class TableFacts:
    """What holds for a whole table; see `ravfeat.predictions.Predictions`."""

    classes: tuple[str, ...]
    protocol: str
    leaky: bool
    select: Literal["val", "nested", "crossfit"]
    synthetic: bool


@dataclass(frozen=True)
class _Version:
    format_version: int


def read_predictions(path: Path) -> tuple[pa.Table, TableFacts]:
    """Read a table and what its metadata says about it.

    Raises
    ------
    PredictionsError
        Where it cannot be read, is none, or of another version; the columns are not checked.
    """
    table = read_parquet(path, PredictionsError, _REMEDY)
    text = (table.schema.metadata or {}).get(_METADATA_KEY)
    if text is None:
        raise PredictionsError(
            f"{path} is not a prediction table: its Parquet metadata lacks '{_METADATA_KEY.decode()}'"
        )
    where = f"{path}: metadata '{_METADATA_KEY.decode()}'"
    version = parse_json(text, _Version, where, PredictionsError, _REMEDY).format_version
    if version != FORMAT_VERSION:
        raise PredictionsError(
            f"{path} has prediction format {version}, this ravfeat reads {FORMAT_VERSION}; {_REMEDY}"
        )
    return table, parse_json(text, TableFacts, where, PredictionsError, _REMEDY)


def write_predictions(table: pa.Table, about: Mapping[str, Any], path: Path) -> None:
    """Write a table and what holds for all of it: whole or not at all."""
    text = json.dumps({"format_version": FORMAT_VERSION, **about}, sort_keys=True)
    _write_table(table.replace_schema_metadata({_METADATA_KEY: text.encode()}), path)


def write_scores(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the rows of `stats.score_rows` as ``scores.parquet``: whole or not at all."""
    _write_table(pa.Table.from_pylist([dict(row) for row in rows]), path)


def read_scores(path: Path) -> list[dict[str, Any]]:
    """Read rows written by `write_scores`."""
    rows: list[dict[str, Any]] = read_parquet(path, PredictionsError, _REMEDY).to_pylist()
    return rows


def _write_table(table: pa.Table, path: Path) -> None:
    # Into memory first: `replace_file` then writes the file whole or not at all, from a view of the buffer.
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer, compression="zstd")
    replace_file(path, memoryview(buffer.getvalue()))
