"""Label the clips of a cache: with the corpus's labels, or with a table that replaces them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.cache.format import ClipRecord
from ravfeat.corpora.clip_names import ClipNames
from ravfeat.corpora.spellings import check_names
from ravfeat.corpora.tables import cell_text, column_of, name_columns, read_table
from ravfeat.errors import CorpusError, listed
from ravfeat.files import sha256_of
from ravfeat.short_repr import short_repr

__all__ = [
    "LabelledClips",
    "check_known",
    "labels_said",
    "narrowed_said",
    "read_clip_ids",
    "read_labels",
    "replaced_labels",
    "split_said",
]


@short_repr
@dataclass(frozen=True)
class LabelledClips:
    """Clips with their labels; actors, performances and digests always come from the shards.

    Attributes
    ----------
    records : tuple of ClipRecord
        Sorted by ``clip_id``.
    classes : tuple of str
        In the order of the logits.
    left_out : int
        Clips that a label file gave no label.
    """

    records: tuple[ClipRecord, ...]
    classes: tuple[str, ...]
    left_out: int = 0

    @classmethod
    def of(cls, records: Sequence[ClipRecord], classes: Sequence[str]) -> "LabelledClips":
        """Take the labels in the shards; classes that do not occur are dropped."""
        present = {record.label for record in records}
        return cls(tuple(records), tuple(label for label in classes if label in present))

    @property
    def y(self) -> NDArray[np.int64]:
        """Class numbers, shape (N,)."""
        number = {label: i for i, label in enumerate(self.classes)}
        return np.array([number[record.label] for record in self.records], dtype=np.int64)

    def relabelled(self, labels: Mapping[str, str], where: Path) -> "LabelledClips":
        """Replace the labels; a clip with an empty label is left out, labels of other clips are not read.

        Raises
        ------
        CorpusError
            Where the file lacks a clip, or leaves fewer than two classes.
        """
        have = {record.clip_id for record in self.records}
        if absent := sorted(have - labels.keys()):
            raise CorpusError(
                f"{where} has no label for {len(absent)} of {len(have)} clips: {', '.join(absent[:3])} …;"
                " list every clip, with an empty label for those to be left out"
            )
        records = [replace(record, label=labels[record.clip_id]) for record in self.records if labels[record.clip_id]]
        present = {record.label for record in records}
        # Known classes keep their order; new ones follow in alphabetical order.
        classes = [label for label in self.classes if label in present] + sorted(present - set(self.classes))
        if len(classes) < 2:
            raise CorpusError(f"{where} leaves {len(classes)} class; a head needs at least two")
        return LabelledClips(tuple(records), tuple(classes), left_out=len(self.records) - len(records))


def read_labels(path: Path, as_written: Collection[str] = (), names: ClipNames | None = None) -> dict[str, str]:
    """Read a table with the columns ``clip_id`` (or ``path``, ``file``) and ``label``.

    Parameters
    ----------
    path : Path
    as_written : collection of str
        Labels that are meant as they are written; see `ravfeat.corpora.spellings`.
    names : ClipNames, optional
        Finds the clips that are meant by path, file name or stem; by default every name is an id.

    Raises
    ------
    CorpusError
        Where a column or a clip id is missing, a name could be several clips, a clip has two labels, or a label has two
        spellings.
    """
    whole = read_table(path)
    column = "clip_id" if column_of(path, "clip_id", whole.column_names) else "path"
    table, _ = name_columns(path, whole, (column, "label"))
    if column not in table.column_names or "label" not in table.column_names:
        missing = [name for name in ("clip_id", "label") if name not in table.column_names]
        raise CorpusError(
            f"{path} lacks the columns {missing}; expected clip_id (or path, file) and label, got {whole.column_names}"
        )
    labels: dict[str, str] = {}
    for row in table.to_pylist():
        written, label = cell_text(row[column]), cell_text(row["label"])
        if not written:
            raise CorpusError(f"{path} has a row without {column}, labelled '{label}'")
        try:
            clip_id = (names.find(written) if names else None) or written
        except CorpusError as error:
            raise CorpusError(f"{path}: {error}") from error
        if labels.setdefault(clip_id, label) != label:
            raise CorpusError(f"{path} labels clip '{clip_id}' twice, as '{labels[clip_id]}' and as '{label}'")
    check_names(str(path), "label", labels.values(), as_written)
    return labels


def read_clip_ids(path: Path) -> tuple[str, ...]:
    """Read the clips that a CSV or Parquet table lists in its column ``clip_id``, each once, in its order.

    Raises
    ------
    CorpusError
        Where the column is missing, or no clip is listed.
    """
    whole = read_table(path)
    table, _ = name_columns(path, whole, ("clip_id",))
    if "clip_id" not in table.column_names:
        raise CorpusError(f"{path} lacks the column 'clip_id'; got {whole.column_names}")
    clip_ids = dict.fromkeys(map(cell_text, table["clip_id"].to_pylist()))
    clip_ids.pop("", None)
    if not clip_ids:
        raise CorpusError(f"{path} lists no clip; give a table with the column clip_id, one clip a row")
    return tuple(clip_ids)


def check_known(clip_ids: Iterable[str], corpus: Collection[str], where: Path, *, does: str = "labels") -> None:
    """Refuse a table of clips that belong in none of the caches: a wrong file, or wrong ids.

    Raises
    ------
    CorpusError
    """
    if unknown := sorted(set(clip_ids) - set(corpus)):
        raise CorpusError(
            f"{where} {does} {len(unknown)} clips that belong in none of the caches: {', '.join(unknown[:3])} …"
        )


def replaced_labels(path: Path, clips: LabelledClips, corpus: Mapping[str, ClipRecord]) -> dict[str, Any]:
    """Say what a label file changed, for the record of a run.

    Parameters
    ----------
    path : Path
        The file; its name and digest are kept.
    clips : LabelledClips
        With the file's labels.
    corpus : mapping of str to ClipRecord
        The same clips as the corpus labels them.
    """
    return {
        "file": path.name,
        "sha256": sha256_of(path),
        "clips": len(clips.records),
        "relabelled": sum(corpus[record.clip_id].label != record.label for record in clips.records),
        "left_out": clips.left_out,
    }


def labels_said(record: Mapping[str, Any]) -> str:
    """Put what `replaced_labels` gave into a sentence."""
    return (
        f"Labels are those of the file {record['file']} (SHA-256 {str(record['sha256'])[:12]}…), not the corpus's:"
        f" another label than there for {record['relabelled']} of {record['clips']} clips, and"
        f" {record['left_out']} more left out."
    )


def narrowed_said(record: Mapping[str, Any]) -> str:
    """Say which clips a run is about and what left out the others, of what `narrowed_record` gave, in a sentence."""
    condition = f" where {record['where']}" if record.get("where") else ""
    table = record.get("label_map")
    classes = f", classes by {table} (SHA-256 {str(record['label_map_sha256'])[:12]}…)" if table else ""
    counts = ", ".join(f"{label} {n}" for label, n in record["labels"].items())
    left_out = ", ".join(f"{n} by {what}" for what, n in record["left_out"].items() if n) or "none"
    return f"Clips used: {record['clips']}{condition}{classes}: {counts}; left out: {left_out}."


def split_said(record: Mapping[str, Any]) -> str:
    """Say who gave the folds of a run, of what `ravfeat.protocols.given_folds.split_record` gave, in a sentence."""
    if record.get("column"):
        return f"Folds are those of the column '{record['column']}': {listed(record['folds'])}."
    unused = f"; {record['unused']} of its names are no {record['by']} of the run" if record.get("unused") else ""
    digest = str(record["sha256"])[:12]
    return f"Folds are those of {record['file']} (SHA-256 {digest}…): {listed(record['folds'])}{unused}."
