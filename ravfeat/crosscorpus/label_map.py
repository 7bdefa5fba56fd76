"""Map the labels of two corpora to shared classes: by a table, or where labels have the same name."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ravfeat.corpora.label_map import CorpusLabels, MapRow, classes_of, meanings, read_map_rows
from ravfeat.corpora.spellings import check_names
from ravfeat.errors import CorpusError

__all__ = ["LabelMap", "read_label_map", "shared_labels"]


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
    rows = read_map_rows(path, may_be_empty=False)
    _check_known(path, rows, train, test)
    check_names(str(path), "class", (row.means for row in rows), as_written)
    classes = classes_of(path, rows)
    label_map = LabelMap(classes, meanings(path, rows, train), meanings(path, rows, test))
    _check_both_sides(path, label_map, train, test)
    return label_map


def _check_known(path: Path, rows: Sequence[MapRow], train: CorpusLabels, test: CorpusLabels) -> None:
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
