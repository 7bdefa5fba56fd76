"""Read the columns of a score file: facts about its rows, and one column of scores per class."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ravfeat.corpora.tables import cell_text, read_table
from ravfeat.errors import PredictionsError

__all__ = ["FACTS", "ScoreTable", "read_cells"]

FACTS = ("name", "fold", "split", "seed", "stream", "actor", "label", "performance")
"""Columns that say whose scores a row holds, in lower case; every other column is a class."""

_NEEDED = ("name", "fold")
_INTEGER = re.compile(r"([+-]?\d{1,18})(\.0*)?")  # a table that went through floats says 3.0


@dataclass(frozen=True)
class ScoreTable:
    """A score file, read and not yet understood.

    Attributes
    ----------
    path : Path
        For messages.
    facts : mapping of str to tuple of str, length N
        Of `FACTS` those that the file has, as text; no cell is empty.
    classes : tuple of str, length K
        In the order of the file.
    values : ndarray of shape (N, K), float64
        Logits or probabilities; may hold NaN and Inf.
    """

    path: Path
    facts: Mapping[str, tuple[str, ...]]
    classes: tuple[str, ...]
    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.values)

    def where(self, row: int) -> str:
        """Name a row in a message; the first one below the header is row 1."""
        return _where(self.path, self.facts["name"], row)

    def integers(self, fact: str) -> tuple[int, ...]:
        """Read a column of whole numbers; 0 everywhere where the file does not have it.

        Raises
        ------
        PredictionsError
            Naming the first cell that is none.
        """
        matches = [_INTEGER.fullmatch(text) for text in self.facts.get(fact, ("0",) * len(self))]
        for row, match in enumerate(matches):
            if match is None:
                raise PredictionsError(
                    f"{self.where(row)}: {fact} is '{self.facts[fact][row]}'; expected a whole number"
                )
        return tuple(int(match[1]) for match in matches if match)


def read_cells(path: Path) -> ScoreTable:
    """Read a score file.

    Raises
    ------
    CorpusError
        Where the file is missing or is no table.
    PredictionsError
        Where a column is missing or there twice, a cell is empty, or a class column holds text.
    """
    table = read_table(path)
    facts, classes = _sort(path, table.column_names)
    if not table.num_rows:
        raise PredictionsError(f"{path} has no rows; expected one per clip, fold, split and seed")
    texts = {fact: tuple(map(cell_text, table.column(at).to_pylist())) for fact, at in facts.items()}
    for fact, cells in texts.items():
        if "" in cells:
            row = cells.index("")
            raise PredictionsError(
                f"{_where(path, texts['name'], row)}: the column '{fact}' is empty ({cells.count('')} such rows); fill"
                " it in, or leave the column out"
            )
    numbers = [_numbers(path, name, table.column(at).to_pylist(), texts["name"]) for name, at in classes.items()]
    return ScoreTable(path, texts, tuple(classes), np.array(numbers, dtype=np.float64).T)


def _sort(path: Path, header: Sequence[str]) -> tuple[dict[str, int], dict[str, int]]:
    """Give the positions of the facts and of the classes, by name."""
    names = [name.strip() for name in header]
    names = [name.lower() if name.lower() in FACTS else name for name in names]
    if "" in names:
        raise PredictionsError(
            f"{path}: column {names.index('') + 1} has no name, as row numbers of a data frame have none; leave it out"
        )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise PredictionsError(f"{path} has more than one column called {twice}; rename or drop one")
    if missing := [name for name in _NEEDED if name not in names]:
        raise PredictionsError(
            f"{path} lacks the columns {missing}; expected a table with the columns {', '.join(_NEEDED)},"
            f" optionally {', '.join(FACTS[len(_NEEDED) :])}, and one for each class; got {names}"
        )
    facts = {name: at for at, name in enumerate(names) if name in FACTS}
    classes = {name: at for at, name in enumerate(names) if name not in FACTS}
    if len(classes) < 2:
        raise PredictionsError(
            f"{path} has {len(classes)} class columns {list(classes)}, expected at least two: a column of numbers for"
            " each class, called like its label"
        )
    return facts, classes


def _numbers(path: Path, column: str, cells: Sequence[object], names: Sequence[str]) -> list[float]:
    numbers = [_number(cell) for cell in cells]
    bad = [row for row, number in enumerate(numbers) if number is None]
    if len(bad) == len(cells):
        raise PredictionsError(
            f"{path}: the column '{column}' holds no numbers ('{cells[0]}' …). Every column besides {', '.join(FACTS)}"
            " is a class and holds its logits or probabilities; leave other columns out"
        )
    if bad:
        raise PredictionsError(
            f"{_where(path, names, bad[0])}: '{cells[bad[0]]}' in the column '{column}' is no number ({len(bad)} such"
            " rows)"
        )
    return [number for number in numbers if number is not None]


def _number(cell: object) -> float | None:
    if cell is None:
        return np.nan
    try:
        # Python reads 1_000 as a number; a table that holds it means something else.
        return None if isinstance(cell, str) and "_" in cell else float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def _where(path: Path, names: Sequence[str], row: int) -> str:
    return f"{path}, row {row + 1} ({names[row]})"
