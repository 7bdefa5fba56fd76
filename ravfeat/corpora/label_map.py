"""Read tables that say which class a label stands for: ``label``, ``class`` and, if need be, ``corpus``."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ravfeat.corpora.spellings import check_names
from ravfeat.corpora.tables import cell_text, read_table
from ravfeat.errors import CorpusError

__all__ = [
    "ClassMap",
    "CorpusLabels",
    "Labelled",
    "MapRow",
    "classes_of",
    "meanings",
    "read_class_map",
    "read_map_rows",
]

_REQUIRED = ("label", "class")


class Labelled(Protocol):
    """Whatever has a label."""

    @property
    def label(self) -> str: ...  # noqa: D102


@dataclass(frozen=True)
class CorpusLabels:
    """The labels of one corpus.

    Attributes
    ----------
    name : str
        Of the corpus.
    clips : mapping of str to int
        Clips of every label, in the corpus's own order; 0 where a label is known and no clip has it.
    """

    name: str
    clips: Mapping[str, int]

    @classmethod
    def of(cls, name: str, classes: Sequence[str], records: Iterable[Labelled]) -> "CorpusLabels":
        """Count the labels in the shards."""
        return cls(name, dict.fromkeys(classes, 0) | Counter(record.label for record in records))


@dataclass(frozen=True)
class ClassMap:
    """The classes that the labels of one corpus stand for.

    Attributes
    ----------
    classes : tuple of str
        In the order of the logits: as the table names them first.
    means : mapping of str to str
        Label to class; empty for labels whose clips are left out.
    """

    classes: tuple[str, ...]
    means: Mapping[str, str]


@dataclass(frozen=True)
class MapRow:
    """One row of a table; `corpus` is empty where it speaks of every corpus."""

    number: int
    corpus: str
    label: str
    means: str


def read_class_map(path: Path, corpus: CorpusLabels, as_written: Collection[str] = ()) -> ClassMap:
    """Read the classes of one corpus: every label that has clips is named, with an empty class where they are left out.

    Parameters
    ----------
    path : Path
        CSV or Parquet. Rows of another corpus are passed over.
    corpus : CorpusLabels
        Its clips as far as they are used.
    as_written : collection of str
        Classes that are meant as they are written; see `ravfeat.corpora.spellings`.

    Raises
    ------
    CorpusError
        For a label that is not named or not known, two meanings of one label, a class in two spellings, a missing
        column, or fewer than two classes with clips.
    """
    rows = [row for row in read_map_rows(path, may_be_empty=True) if row.corpus in ("", corpus.name)]
    known = ", ".join(f"{label} {n}" for label, n in corpus.clips.items())
    if unknown := [row for row in rows if row.label not in corpus.clips]:
        raise CorpusError(
            f"{path}, row {unknown[0].number}: corpus '{corpus.name}' has no label '{unknown[0].label}'; it has {known}"
        )
    check_names(str(path), "class", (row.means for row in rows), as_written)
    means = meanings(path, rows, corpus)
    if lacking := [f"{label} ({n} clips)" for label, n in corpus.clips.items() if n and label not in means]:
        raise CorpusError(
            f"{path} says no class for {', '.join(lacking)}; add a row for every label, with an empty class for those"
            " whose clips are to be left out"
        )
    used = {means[label] for label, n in corpus.clips.items() if n}
    return ClassMap(tuple(name for name in classes_of(path, rows) if name in used), means)


def read_map_rows(path: Path, *, may_be_empty: bool) -> list[MapRow]:
    """Read the rows of a table; `may_be_empty` says whether a label may have no class.

    Raises
    ------
    CorpusError
        For a missing column or an empty cell.
    """
    table = read_table(path)
    if missing := [name for name in _REQUIRED if name not in table.column_names]:
        raise CorpusError(
            f"{path} lacks the columns {missing}; expected label, class and optionally corpus, got {table.column_names}"
        )
    rows = [
        MapRow(number, *(cell_text(row.get(name)) for name in ("corpus", "label", "class")))
        for number, row in enumerate(table.to_pylist(), start=2)
    ]
    for row in rows:
        if not row.label:
            raise CorpusError(f"{path}, row {row.number}: 'label' is empty")
        if not row.means and not may_be_empty:
            raise CorpusError(
                f"{path}, row {row.number}: label '{row.label}' has an empty class; name one, or drop the row: labels"
                " that are not named are left out"
            )
    return rows


def classes_of(path: Path, rows: Sequence[MapRow]) -> tuple[str, ...]:
    """Give the classes that a table names, in its order.

    Raises
    ------
    CorpusError
        For fewer than two.
    """
    classes = tuple(dict.fromkeys(row.means for row in rows if row.means))
    if len(classes) < 2:
        raise CorpusError(
            f"{path} covers {len(classes)} class ({', '.join(classes) or 'it has no rows'}); a head needs at least two:"
            " add rows for the others"
        )
    return classes


def meanings(path: Path, rows: Sequence[MapRow], corpus: CorpusLabels) -> dict[str, str]:
    """Give the class of every label of a corpus that a table names.

    Raises
    ------
    CorpusError
        For a label with two rows.
    """
    rows_of_labels: dict[str, MapRow] = {}
    for row in rows:
        if row.corpus not in ("", corpus.name) or row.label not in corpus.clips:
            continue
        # A row for both corpora and one for this corpus would be two meanings of a label.
        first = rows_of_labels.setdefault(row.label, row)
        if first is not row:
            raise CorpusError(
                f"{path} names label '{row.label}' of corpus '{corpus.name}' twice, in row {first.number} as"
                f" '{first.means}' and in row {row.number} as '{row.means}'; keep one"
            )
    return {label: row.means for label, row in rows_of_labels.items()}
