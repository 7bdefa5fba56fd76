"""Further columns of a corpus's table (session, split, language …), kept beside actor and label.

A column is one of numbers where every cell that is not empty is a plain number, and none looks like a code such as 01.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from ravfeat.clips import MAX_FURTHER, is_column_name
from ravfeat.corpora.segments import NOTHING
from ravfeat.corpora.tables import cell_text
from ravfeat.errors import CorpusError
from ravfeat.escape import is_printable

__all__ = ["FurtherColumns", "column_name"]

_MAX_CELL = 4000
"""Characters of a cell: a shard's column has 4 MB, for 128 clips."""

_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d*)?(?:[eE][+-]?\d{1,2})?|-?\.\d+(?:[eE][+-]?\d{1,2})?")


@dataclass(frozen=True)
class FurtherColumns:
    """What a table says of its rows beside what ravfeat reads.

    Attributes
    ----------
    values : mapping of str to sequence of (str, float or None)
        By the name under which a column is kept; None where a cell is empty.
    left_out : tuple of str
        Columns that are not kept, with the reason in brackets.
    """

    values: Mapping[str, Sequence[str | float | None]]
    left_out: tuple[str, ...] = ()

    @classmethod
    def of(cls, table: pa.Table, names: Sequence[str]) -> "FurtherColumns":
        """Take columns of a table, each under its name in lower case."""
        values: dict[str, Sequence[str | float | None]] = {}
        left_out = []
        for name in names:
            try:
                cells = _clean(list(map(cell_text, table[name].to_pylist())))
            except (CorpusError, pa.ArrowException, ValueError, OverflowError):
                left_out.append(f"{name} (no text)")
                continue
            kept = column_name(name, values)
            if not any(cells):
                left_out.append(f"{name or '(without a name)'} (empty)")
            elif not kept:
                left_out.append("(without a name)")
            elif max(map(len, cells)) > _MAX_CELL:
                left_out.append(f"{name} (cells of more than {_MAX_CELL} characters)")
            elif len(values) == MAX_FURTHER:
                left_out.append(f"{name} (more than {MAX_FURTHER} columns)")
            else:
                values[kept] = _typed(cells)
        return cls(values, tuple(left_out))

    def row(self, number: int) -> dict[str, str | float]:
        """Return what is known of one row, counted from 0."""
        return {name: value for name, cells in self.values.items() if (value := cells[number]) is not None}


def column_name(name: str, taken: Mapping[str, object] = {}) -> str:  # read only
    """Return the name under which a column is kept; empty where nothing of its name can be.

    Examples
    --------
    >>> column_name("Session No."), column_name("emotion.confidence"), column_name("Path")
    ('session_no', 'emotion_confidence', 'table_path')
    """
    word = re.sub(r"\W+", "_", name.lower()).strip("_")[:50]
    if not word:
        return ""
    kept = word if is_column_name(word) else f"table_{word}"
    numbered = (f"{kept}_{number}" for number in range(2, len(taken) + 3))
    return next(free for free in (kept, *numbered) if free not in taken)


def _clean(cells: Sequence[str]) -> list[str]:
    """Write every cell on one line, and what no terminal should see as a question mark."""
    lines = (cell if cell.isprintable() else " ".join(cell.split()) for cell in cells)
    return [line if is_printable(line) else "".join(c if is_printable(c) else "\ufffd" for c in line) for line in lines]


def _typed(cells: Sequence[str]) -> list[str | float | None]:
    known = [cell for cell in cells if cell.casefold() not in NOTHING]
    if known and all(map(_NUMBER.fullmatch, known)):
        return [None if cell.casefold() in NOTHING else float(cell) for cell in cells]
    return [cell or None for cell in cells]
