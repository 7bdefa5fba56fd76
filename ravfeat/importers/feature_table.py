"""Read a feature table (CSV or Parquet) into numeric arrays; text is never converted by guessing."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ravfeat.corpora.tables import cell_text, csv_format, read_table
from ravfeat.errors import CorpusError
from ravfeat.importers.columns import Columns

__all__ = ["FeatureTable", "read_feature_table", "read_header"]

_PARQUET = {".parquet", ".pq"}


@dataclass(frozen=True)
class FeatureTable:
    """Contents of one table with R rows.

    Attributes
    ----------
    names : tuple of str
        Clip name of every row; empty where the table has no such column.
    numbers : mapping of str to ndarray of shape (R,), float64
        Columns that describe the rows (frame number, time, …), by column name.
    features : ndarray of shape (R, D), float32
        NaN where a cell is empty.
    """

    names: tuple[str, ...]
    numbers: Mapping[str, NDArray[np.float64]]
    features: NDArray[np.float32]


def read_header(path: Path) -> list[str]:
    """Read the column names, stripped of surrounding spaces.

    Raises
    ------
    CorpusError
        Where the file is not a table.
    """
    if path.suffix.lower() in _PARQUET:
        return [str(name) for name in read_table(path, speaker_as_actor=False).column_names]
    with _reading(path) as rows:
        return next(rows, [])


def read_feature_table(path: Path, columns: Columns) -> FeatureTable:
    """Read one table.

    Raises
    ------
    CorpusError
        Where the file is not a table, a row and the header differ in length, or a cell is not a number.
    """
    return _read_parquet(path, columns) if path.suffix.lower() in _PARQUET else _read_csv(path, columns)


@contextmanager
def _reading(path: Path) -> Iterator[Iterator[list[str]]]:
    try:
        form = csv_format(path)
        with path.open(newline="", encoding=form.encoding) as file:
            # OpenFace writes a space after every comma.
            rows = csv.reader(file, delimiter=form.separator, skipinitialspace=True)
            yield ([cell.strip() for cell in row] for row in rows if row)
    except (OSError, UnicodeError, csv.Error) as error:
        raise CorpusError(f"{path} cannot be read as a table ({error})") from error


def _read_csv(path: Path, columns: Columns) -> FeatureTable:
    names, facts, features = [], [], []
    wanted = (*([columns.face] if columns.face else []), *columns.facts.values())
    with _reading(path) as rows:
        header = next(rows, [])
        place = {name: position for position, name in enumerate(header)}
        # An empty header cell is the index of a data frame, not the clip's name.
        name_at = place.get(columns.name) if columns.name else None
        facts_at, features_at = [place[name] for name in wanted], [place[name] for name in columns.features]
        # Line 1 is the header.
        for line, row in enumerate(rows, start=2):
            if len(row) != len(header):
                raise CorpusError(f"{path}, row {line} has {len(row)} cells; expected {len(header)}, as in the header")
            if name_at is not None:
                names.append(row[name_at])
            facts.append(_numbers(path, line, [row[at] for at in facts_at], wanted))
            numbers = _numbers(path, line, [row[at] for at in features_at], columns.features)
            features.append(np.array(numbers, np.float32))
    table = np.array(facts, np.float64).reshape(len(facts), len(wanted))
    wide = np.stack(features) if features else np.zeros((0, len(columns.features)), np.float32)
    return FeatureTable(tuple(names), {name: table[:, at] for at, name in enumerate(wanted)}, wide)


def _numbers(path: Path, line: int, cells: Sequence[str], columns: Sequence[str]) -> list[float]:
    # All cells at once is the usual case; which of them is wrong is looked up for the message only.
    try:
        numbers = list(map(float, cells))
    except ValueError:
        numbers = []
    # float() accepts "1_000"; in a table that is an identifier or a typo, not a number.
    if len(numbers) == len(cells) and not any("_" in cell for cell in cells):
        return numbers
    if text := [column for column, cell in zip(columns, cells, strict=True) if cell and not _is_number(cell)]:
        value = cells[list(columns).index(text[0])]
        more = f" and {len(text) - 5} more" if len(text) > 5 else ""
        raise CorpusError(
            f"{path}, row {line}: expected numbers in {', '.join(text[:5])}{more}; {text[0]} holds '{value}'."
            " Drop such columns, or choose others with --array"
        )
    return [float(cell) if cell else np.nan for cell in cells]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _read_parquet(path: Path, columns: Columns) -> FeatureTable:
    table = read_table(path, speaker_as_actor=False)

    def numbers(name: str) -> NDArray[np.float64]:
        values = np.asarray(table.column(name).to_numpy())
        if values.dtype.kind not in "fiub":
            raise CorpusError(
                f"{path}: expected numbers in {name}, it holds {table.schema.field(name).type}; drop such columns, or"
                " choose others with --array"
            )
        return values.astype(np.float64)

    wanted = (*([columns.face] if columns.face else []), *columns.facts.values())
    names = tuple(map(cell_text, table.column(columns.name).to_pylist())) if columns.name else ()
    features = np.empty((len(table), len(columns.features)), np.float32)
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, and the source refuses the clip
        for position, name in enumerate(columns.features):
            features[:, position] = numbers(name)
    return FeatureTable(names, {name: numbers(name) for name in wanted}, features)
