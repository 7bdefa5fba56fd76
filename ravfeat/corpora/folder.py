"""Read any corpus from a table: CSV or Parquet with ``path``, ``actor`` (or ``speaker``) and ``label``."""

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath

from ravfeat.corpora.probe import with_durations
from ravfeat.corpora.spellings import check_clips
from ravfeat.corpora.tables import cell_text, name_columns, plain_name, read_table
from ravfeat.errors import CorpusError
from ravfeat.manifest import Clip, Manifest
from ravfeat.schema import Stream

__all__ = ["read_folder_corpus"]

_RESERVED = ("synth", "ravdess")

_REQUIRED = ("path", "actor", "label")
_OPTIONAL = ("performance", "gender", "clip_id")
_GENDERS: Mapping[str, str] = {
    "male": "male", "m": "male", "man": "male", "female": "female", "f": "female", "woman": "female", "": ""
}  # fmt: skip
_SEGMENT = re.compile(
    r"(segment|clip|utterance|utt|turn|audio|time|t)?(start|end|begin|stop|onset|offset|min|max)"
    r"(time|timestamp|times|frame|sample|samples|s|sec|secs|second|seconds|ms)?"
)
"""Columns, in lower case without separators, that say which part of its file a row means."""
_NO_SEGMENT = frozenset({"min", "max", "clipmin", "clipmax", "audiomin", "audiomax"})


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
        CSV or Parquet with columns ``path`` (relative to the table; absolute ones are made so),
        ``actor`` (or ``speaker``), ``label`` and optionally ``performance`` (default: the clip itself),
        ``gender``, ``clip_id`` (default: the path without its ending); in any case, and under the other names of
        `ravfeat.corpora.tables.name_columns`.
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
        Classes are the labels that occur, sorted; ``unread`` are the columns that were not understood.

    Raises
    ------
    CorpusError
        Where a column is missing or there are start and end times, a value is empty, a path names no file, a gender is
        not known, two clips share an id, or an actor, a label or a performance has two spellings.
    UsageError
        Where ``columns`` names what there is not.
    """
    # Who says which column holds the actors need not hear that another column names others.
    whole = read_table(table_path, speaker_as_actor="actor" not in (columns or {}))
    table, unread = name_columns(table_path, whole, (*_REQUIRED, *_OPTIONAL), columns)
    _refuse_segments(table_path, unread)
    if missing := [column for column in _REQUIRED if column not in table.column_names]:
        raise CorpusError(
            f"{table_path} lacks the columns {missing}; expected {list(_REQUIRED)} ('speaker' is read as"
            f" 'actor'), optionally {list(_OPTIONAL)}; got {whole.column_names}. Say which column is meant:"
            f" --columns {missing[0]}=COLUMN"
        )
    corpus = _default_name(table_path) if name is None else name
    if corpus in _RESERVED:
        raise CorpusError(f"'{corpus}' is the name of a corpus of its own; give another with --name")
    rows = table.to_pylist()
    # Rows are counted as in a spreadsheet, where line 1 is the header.
    clips = [_clip(corpus, table_path, number, row) for number, row in enumerate(rows, start=2)]
    if not clips:
        raise CorpusError(f"{table_path} has no rows")
    check_clips(str(table_path), clips, as_written)
    classes = tuple(sorted({clip.label for clip in clips}))
    return Manifest(corpus, classes, tuple(with_durations(table_path.parent, clips, stream)), unread=unread)


def _refuse_segments(table_path: Path, unread: Collection[str]) -> None:
    plain = {column: plain_name(column) for column in unread}
    segments = [column for column, name in plain.items() if _SEGMENT.fullmatch(name) and name not in _NO_SEGMENT]
    if segments:
        raise CorpusError(
            f"{table_path} has the columns {segments}, and rows that are parts of a file cannot be read yet: each would"
            " get the features of the whole file; cut the recordings into one file per row and drop these columns"
        )


def _default_name(table_path: Path) -> str:
    stem = table_path.stem
    # Such a file name says nothing; the folder's does.
    chosen = table_path.resolve().parent.name if stem in {"manifest", "index", "clips"} else stem
    return re.sub(r"^\W+|[^\w.-]+", "-", chosen).lstrip("-.") or "corpus"


def _clip(corpus: str, table_path: Path, line: int, row: Mapping[str, object]) -> Clip:
    values = {key: cell_text(value) for key, value in row.items()}
    for column in _REQUIRED:
        if not values[column]:
            raise CorpusError(f"{table_path}, row {line}: '{column}' is empty")
    gender = _GENDERS.get(values.get("gender", "").lower())
    if gender is None:
        raise CorpusError(f"{table_path}, row {line}: gender is '{values['gender']}'; expected male, female or empty")
    path = _relative(values["path"], table_path)
    if path.name in {"", ".."}:
        raise CorpusError(
            f"{table_path}, row {line}: path is '{values['path']}'; expected a file's path relative to the table's"
            " folder"
        )
    # A clip's id is a name in the cache, and must not lead out of a folder.
    inside = PurePosixPath(*(part for part in path.parts if part != ".."))
    clip_id = values.get("clip_id") or inside.with_suffix("").as_posix()
    return Clip(
        clip_id=clip_id,
        performance_id=values.get("performance") or clip_id,
        actor=f"{corpus}:{values['actor']}",
        gender=gender,
        label=values["label"],
        path=path.as_posix(),
    )


def _relative(text: str, table_path: Path) -> PurePosixPath:
    # A cache must not remember where a corpus lay on one machine, so absolute paths become relative ones.
    path = PurePosixPath(text.replace("\\", "/"))
    return PurePosixPath(os.path.relpath(path, table_path.resolve().parent)) if path.is_absolute() else path
