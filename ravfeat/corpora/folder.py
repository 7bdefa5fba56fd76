"""Read any corpus from a table: CSV, JSON lines or Parquet with ``path``, ``actor`` (or ``speaker``) and ``label``."""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pyarrow as pa

from ravfeat.corpora.clip_ids import default_ids, relative_path
from ravfeat.corpora.formats.base import read_clips
from ravfeat.corpora.further import FurtherColumns
from ravfeat.corpora.probe import file_lengths
from ravfeat.corpora.scales import scale_of
from ravfeat.corpora.segments import SpanColumns, check_whole_files, file_lengths_checked, span_notes, span_text
from ravfeat.corpora.spellings import check_clips
from ravfeat.corpora.tables import cell_text, name_columns
from ravfeat.errors import CorpusError
from ravfeat.manifest import Clip, Manifest
from ravfeat.schema import Stream

__all__ = ["GENDERS", "default_name", "read_folder_corpus"]

_RESERVED = ("synth", "ravdess")

_REQUIRED = ("path", "actor", "label")
_OPTIONAL = ("performance", "gender", "clip_id")
_SPAN = ("start", "end")
GENDERS: Mapping[str, str] = {
    "male": "male", "m": "male", "man": "male", "female": "female", "f": "female", "woman": "female", "": ""
}  # fmt: skip


def read_folder_corpus(
    table_path: Path,
    *,
    name: str | None = None,
    stream: Stream = "audio",
    columns: Mapping[str, str] | None = None,
    as_written: Collection[str] = (),
) -> Manifest:
    """Read a corpus described by a table.

    Parameters
    ----------
    table_path : Path
        A folder or table of audformat, Kaldi, lhotse or audiofolder (see `ravfeat.corpora.formats.base`), or CSV, JSON
        lines or Parquet with columns ``path`` (relative to the table; absolute ones are made so),
        ``actor`` (or ``speaker``), ``label`` and optionally ``performance`` (default: the clip itself),
        ``gender``, ``clip_id`` (default: the path without its ending, and the part of it), ``start`` and ``end`` of a
        part of the file (see `ravfeat.corpora.segments`); in any case, and under the other names of
        `ravfeat.corpora.tables.name_columns`. Further columns are kept, see `ravfeat.corpora.further`.
    name : str, optional
        The corpus's name; default the table's own name, or its folder's where that says nothing,
        with ``-`` for what a corpus's name cannot hold.
    stream : {"audio", "face"}
        Whose length is looked up.
    columns : mapping of str to str, optional
        Name of one of these → the table's column.
    as_written : collection of str
        Actors, labels and performances that are meant as they are written; see `ravfeat.corpora.spellings`.

    Returns
    -------
    Manifest
        Classes are the labels that occur, sorted; ``unread`` are the columns that are not kept, and ``notes`` say what
        is odd about parts of files.

    Raises
    ------
    CorpusError
        Where a column is missing, a value is empty, a path names no file, a gender is not known, a part does not lie in
        its file, a whole file is of two actors, two clips share an id, or an actor, a label or a performance has two
        spellings.
    UsageError
        Where ``columns`` names what there is not.
    """
    corpus = default_name(table_path) if name is None else name
    table_path, whole = read_clips(table_path, columns or {})
    rows = _Rows.of(table_path, whole, columns or {})
    if corpus in _RESERVED:
        raise CorpusError(f"'{corpus}' is the name of a corpus of its own; give another with --name")
    clips = list(rows.clips(corpus))
    if not clips:
        raise CorpusError(f"{table_path} has no rows")
    check_clips(str(table_path), clips, as_written)
    check_whole_files(str(table_path), clips, [*rows.further.values])
    lengths_s = file_lengths(table_path.parent, [clip.path for clip in clips], stream)
    with_lengths = list(file_lengths_checked(str(table_path), clips, lengths_s))
    return Manifest(
        corpus,
        tuple(sorted({clip.label for clip in clips})),
        with_lengths,
        unread=rows.further.left_out,
        notes=(*span_notes(clips, with_lengths), *filter(None, [_scale_note(clips, as_written)])),
    )


def _scale_note(clips: Sequence[Clip], as_written: Collection[str]) -> str:
    # Features do not depend on labels, and a label map may come with the training.
    scale = scale_of((clip.label for clip in clips), as_written)
    return f"{scale} of 'ravfeat fit-heads', which refuses them otherwise; features are extracted" if scale else ""


@dataclass(frozen=True)
class _Rows:
    """The rows of a table: columns that ravfeat reads, under its names, and what else they say."""

    path: Path
    table: pa.Table
    span: SpanColumns
    further: FurtherColumns
    whole: pa.Table

    @classmethod
    def of(cls, path: Path, whole: pa.Table, columns: Mapping[str, str]) -> "_Rows":
        table, free = name_columns(path, whole, (*_REQUIRED, *_OPTIONAL), columns, elsewhere=_SPAN)
        if missing := [column for column in _REQUIRED if column not in table.column_names]:
            raise CorpusError(
                f"{path} lacks the columns {missing}; expected {list(_REQUIRED)} ('speaker' is read as"
                f" 'actor'), optionally {[*_OPTIONAL, *_SPAN]}; got {whole.column_names}. Say which column is meant:"
                f" --columns {missing[0]}=COLUMN"
            )
        span = SpanColumns.of(str(path), free, {name: columns[name] for name in _SPAN if name in columns})
        further = FurtherColumns.of(whole, [name for name in free if name not in span.names])
        return cls(path, table, span, further, whole)

    def clips(self, corpus: str) -> Iterator[Clip]:
        """Make a clip of every row; rows are counted as in a spreadsheet, where line 1 is the header."""
        texts = [{name: cell_text(value) for name, value in row.items()} for row in self.table.to_pylist()]
        for number, values in enumerate(texts, start=2):
            _check_row(f"{self.path}, row {number}", values)
        ids = default_ids([values["path"] for values in texts], self.path.parent)
        spans = self.whole.select(self.span.names).to_pylist() if self.span.names else [{}] * len(texts)
        for row, (values, default, cells) in enumerate(zip(texts, ids, spans, strict=True)):
            start_s, end_s = self.span.read(cells, f"{self.path}, row {row + 2}")
            part = "" if math.isnan(start_s) and math.isnan(end_s) else f"_{span_text(start_s, end_s)}"
            clip_id = values.get("clip_id") or default + part
            yield Clip(
                clip_id=clip_id,
                performance_id=values.get("performance") or clip_id,
                actor=f"{corpus}:{values['actor']}",
                gender=GENDERS[values.get("gender", "").lower()],
                label=values["label"],
                path=relative_path(values["path"], self.path.parent).as_posix(),
                start_s=start_s,
                end_s=end_s,
                further=self.further.row(row),
            )


def _check_row(where: str, values: Mapping[str, str]) -> None:
    for column in _REQUIRED:
        if not values[column]:
            raise CorpusError(f"{where}: '{column}' is empty")
    if values.get("gender", "").lower() not in GENDERS:
        raise CorpusError(f"{where}: gender is '{values['gender']}'; expected male, female or empty")
    if PurePosixPath(values["path"].replace("\\", "/")).name in {"", ".."}:
        raise CorpusError(f"{where}: path is '{values['path']}'; expected a file's path relative to the table's folder")


def default_name(table_path: Path) -> str:
    """Name a corpus whose table says no name: as the table is called, or its folder where that says nothing."""
    stem = "clips" if table_path.is_dir() else table_path.name.removesuffix(".gz").rpartition(".")[0] or table_path.name
    # Such a file name says nothing; the folder's does.
    folder = table_path.resolve() if table_path.is_dir() else table_path.resolve().parent
    chosen = folder.name if stem in {"manifest", "index", "clips", "wav"} else stem
    return re.sub(r"^\W+|[^\w.-]+", "-", chosen).lstrip("-.") or "corpus"
