"""Map the labels of two corpora to shared classes: by a table, or where labels have the same name."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ravfeat.cache.format import ClipRecord
from ravfeat.corpora.spellings import check_names
from ravfeat.corpora.tables import cell_text, read_table
from ravfeat.errors import CorpusError

__all__ = ["CorpusLabels", "LabelMap", "read_label_map", "shared_labels"]

_REQUIRED = ("label", "class")


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
    def of(cls, name: str, classes: Sequence[str], records: Iterable[ClipRecord]) -> "CorpusLabels":
        """Count the labels in the shards."""
        return cls(name, dict.fromkeys(classes, 0) | Counter(record.label for record in records))


@dataclass(frozen=True)
class LabelMap:
    """The shared classes of two corpora.

    Attributes
    ----------
    classes : tuple of str
        In the order of the logits: as the table names them first, else as the training corpus does.
    train, test : mapping of str to str
        Label to class in the corpus that is trained on and in the one that is tested on; clips of
        other labels are left out.
    """

    classes: tuple[str, ...]
    train: Mapping[str, str]
    test: Mapping[str, str]


def shared_labels(train: CorpusLabels, test: CorpusLabels) -> LabelMap:
    """Take the labels that clips of both corpora have under the same name.

    Raises
    ------
    CorpusError
        For fewer than two.
    """
    # A label that is known but has no clip cannot be learned, or not be tested.
    shared = tuple(label for label, n in train.clips.items() if n and test.clips.get(label))
    if len(shared) < 2:
        raise CorpusError(
            f"corpora '{train.name}' and '{test.name}' have {len(shared)} labels of the same name in common, a head"
            f" needs two classes; '{train.name}' has {', '.join(train.clips)}; '{test.name}' has"
            f" {', '.join(test.clips)}: say what they stand for with --label-map FILE"
        )
    same = {label: label for label in shared}
    return LabelMap(shared, same, same)


def read_label_map(path: Path, train: CorpusLabels, test: CorpusLabels, as_written: Collection[str] = ()) -> LabelMap:
    """Read a table with the columns ``label``, ``class`` and, where a label means different things, ``corpus``.

    Parameters
    ----------
    path : Path
        CSV or Parquet. A row without a corpus speaks of both. Labels that no row names are left out.
    train, test : CorpusLabels
        What the corpora have.
    as_written : collection of str
        Classes that are meant as they are written; see `ravfeat.corpora.spellings`.

    Raises
    ------
    CorpusError
        For a class in two spellings, a missing column, an empty cell, a label twice, a corpus or label that there is
        not, fewer than two classes, or a class that has clips in one of the corpora only.
    """
    table = read_table(path)
    if missing := [name for name in _REQUIRED if name not in table.column_names]:
        raise CorpusError(
            f"{path} lacks the columns {missing}; expected label, class and optionally corpus, got {table.column_names}"
        )
    rows = [_row(path, number, row) for number, row in enumerate(table.to_pylist(), start=2)]
    _check_known(path, rows, train, test)
    check_names(str(path), "class", (row.means for row in rows), as_written)
    classes = tuple(dict.fromkeys(row.means for row in rows))
    if len(classes) < 2:
        raise CorpusError(
            f"{path} covers {len(classes)} class ({', '.join(classes) or 'it has no rows'}); a head needs at least two:"
            " add rows for the others"
        )
    label_map = LabelMap(classes, _of_corpus(path, rows, train), _of_corpus(path, rows, test))
    _check_both_sides(path, label_map, train, test)
    return label_map


@dataclass(frozen=True)
class _MapRow:
    number: int
    corpus: str
    label: str
    means: str


def _row(path: Path, number: int, cells: Mapping[str, object]) -> _MapRow:
    row = _MapRow(number, *(cell_text(cells.get(name)) for name in ("corpus", "label", "class")))
    if not row.label:
        raise CorpusError(f"{path}, row {number}: 'label' is empty")
    if not row.means:
        raise CorpusError(
            f"{path}, row {number}: label '{row.label}' has an empty class; name one, or drop the row: labels that are"
            " not named are left out"
        )
    return row


def _check_known(path: Path, rows: Sequence[_MapRow], train: CorpusLabels, test: CorpusLabels) -> None:
    for row in rows:
        if row.corpus not in ("", train.name, test.name):
            raise CorpusError(
                f"{path}, row {row.number}: no corpus '{row.corpus}' here; expected '{train.name}' (trained on),"
                f" '{test.name}' (tested on), or an empty cell for both"
            )
        corpora = [corpus for corpus in (train, test) if row.corpus in ("", corpus.name)]
        if not any(row.label in corpus.clips for corpus in corpora):
            listing = "; ".join(f"'{corpus.name}' has {', '.join(corpus.clips)}" for corpus in corpora)
            subject = f"corpus '{row.corpus}' has no" if row.corpus else "neither corpus has a"
            raise CorpusError(f"{path}, row {row.number}: {subject} label '{row.label}'; {listing}")


def _of_corpus(path: Path, rows: Sequence[_MapRow], corpus: CorpusLabels) -> dict[str, str]:
    rows_of_labels: dict[str, _MapRow] = {}
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


def _check_both_sides(path: Path, label_map: LabelMap, train: CorpusLabels, test: CorpusLabels) -> None:
    for name in label_map.classes:
        clips = [
            sum(corpus.clips[label] for label, means in classes.items() if means == name)
            for corpus, classes in ((train, label_map.train), (test, label_map.test))
        ]
        if not all(clips):
            raise CorpusError(
                f"{path}: class '{name}' has {clips[0]} clips in '{train.name}' (trained on) and {clips[1]} in"
                f" '{test.name}' (tested on); a class needs clips in both: map a label of the other corpus to it, or"
                " drop its rows"
            )
