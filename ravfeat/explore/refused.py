"""Read a table that extraction refuses, so that all its faults are named at once and what is left is shown."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from ravfeat.corpora.clip_ids import default_ids, relative_path
from ravfeat.corpora.folder import GENDERS, default_name
from ravfeat.corpora.formats.base import read_clips
from ravfeat.corpora.further import FurtherColumns
from ravfeat.corpora.probe import file_lengths
from ravfeat.corpora.segments import SpanColumns, file_lengths_checked, span_text
from ravfeat.corpora.spellings import check_names
from ravfeat.corpora.tables import cell_text, name_columns
from ravfeat.errors import CorpusError
from ravfeat.escape import printable
from ravfeat.explore.doubts import Doubt, listed, times
from ravfeat.manifest import Clip, Manifest

__all__ = ["Lenient", "lenient_table"]

_REQUIRED, _OPTIONAL, _SPAN = ("path", "actor", "label"), ("performance", "gender", "clip_id"), ("start", "end")
_EMPTY = "(empty)"


@dataclass(frozen=True)
class Lenient:
    """What could be read of a table.

    Attributes
    ----------
    manifest : Manifest
        Empty actors and labels are written ``(empty)``; of two rows of one id the second one is numbered.
    doubts : tuple of Doubt
        What is wrong with rows of it.
    """

    manifest: Manifest
    doubts: tuple[Doubt, ...]


def lenient_table(path: Path, *, name: str | None, columns: Mapping[str, str], why: CorpusError) -> Lenient:
    """Read what can be read of a table.

    Parameters
    ----------
    path : Path
    name : str, optional
        Of the corpus.
    columns : mapping of str to str
        Which column is meant, see `ravfeat.corpora.folder.read_folder_corpus`.
    why : CorpusError
        Why it is refused.

    Raises
    ------
    CorpusError
        The given one, where nothing can be made of the table.
    """
    try:
        place, whole = read_clips(path, columns)
        folder = place.parent
        table, free = name_columns(path, whole, (*_REQUIRED, *_OPTIONAL), columns, elsewhere=_SPAN)
        if set(_REQUIRED) - set(table.column_names) or not len(table):
            raise why
        rows = [{key: printable(cell_text(value)) for key, value in row.items()} for row in table.to_pylist()]
        span = SpanColumns.of(str(path), free, {key: columns[key] for key in _SPAN if key in columns})
        further = FurtherColumns.of(whole, [column for column in free if column not in span.names])
        clips = _clips(name or default_name(path), folder, rows)
        clips = [replace(clip, further=further.row(place)) for place, clip in enumerate(clips)]
        clips, parts = _parts(folder, clips, span, whole)
        clips, twice = _numbered(clips)
        classes = tuple(sorted({clip.label for clip in clips}))
        manifest = Manifest(clips[0].actor.partition(":")[0], classes, tuple(clips))
    except CorpusError as error:
        raise why from error
    faults = (*_empty_cells(rows), *_names(path, rows), *_genders(rows), *_files(folder, rows))
    return Lenient(manifest, (*faults, *parts, *twice))


def _empty_cells(rows: Sequence[Mapping[str, str]]) -> Iterator[Doubt]:
    for column in _REQUIRED:
        if numbers := [str(number) for number, row in enumerate(rows, start=2) if not row[column]]:
            words = f"'{column}' is empty in {times(len(numbers), 'row')}: {listed(numbers)}"
            yield Doubt("table", words, grave=True)


def _names(path: Path, rows: Sequence[Mapping[str, str]]) -> Iterator[Doubt]:
    for column in ("actor", "label", *(["performance"] if "performance" in rows[0] else [])):
        try:
            check_names(path.name, column, [row[column] for row in rows])
        except CorpusError as error:
            yield Doubt("table", str(error).rstrip("."), grave=True)


def _genders(rows: Sequence[Mapping[str, str]]) -> Iterator[Doubt]:
    odd = sorted({row["gender"] for row in rows if "gender" in row and row["gender"].lower() not in GENDERS})
    if odd:
        yield Doubt("gender", f"gender is {listed([repr(gender) for gender in odd])}; male, female or empty is known")


def _files(folder: Path, rows: Sequence[Mapping[str, str]]) -> Iterator[Doubt]:
    paths = dict.fromkeys(row["path"] for row in rows if row["path"])
    absent = [path for path in paths if not (folder / relative_path(path, folder)).is_file()]
    if absent:
        words = f"{times(len(absent), 'file')} of {len(paths)} {'is' if len(absent) == 1 else 'are'} not there"
        yield Doubt("table", f"{words}: {listed(absent, 3)}", grave=True)


def _clips(corpus: str, folder: Path, rows: Sequence[Mapping[str, str]]) -> list[Clip]:
    paths = [row["path"] or f"row-{number}" for number, row in enumerate(rows, start=2)]
    names = default_ids(paths, folder)
    return [
        Clip(
            row.get("clip_id") or name or path,
            row.get("performance") or row.get("clip_id") or name or path,
            f"{corpus}:{row['actor'] or _EMPTY}",
            GENDERS.get(row.get("gender", "").lower(), ""),
            row["label"] or _EMPTY,
            relative_path(path, folder).as_posix(),
        )
        for row, path, name in zip(rows, paths, names, strict=True)
    ]


def _parts(folder: Path, clips: Sequence[Clip], span: SpanColumns, whole: pa.Table) -> tuple[list[Clip], list[Doubt]]:
    """Give clips their places in files, as far as these are places in them, and their lengths."""
    lengths_s = file_lengths(folder, [clip.path for clip in clips], "audio")
    cells = whole.select(span.names).to_pylist() if span.names else [{}] * len(clips)
    placed: list[Clip] = []
    wrong: list[str] = []
    for number, (clip, row) in enumerate(zip(clips, cells, strict=True), start=2):
        try:
            start_s, end_s = span.read(row, f"row {number}")
            part = replace(clip, start_s=start_s, end_s=end_s)
            part = replace(
                part, clip_id=f"{clip.clip_id}_{span_text(start_s, end_s)}" if part.is_part else clip.clip_id
            )
            placed += file_lengths_checked(folder.name, [part], lengths_s)
        except CorpusError as error:
            wrong.append(str(error))
            placed.append(replace(clip, clip_id=f"{clip.clip_id}#row-{number}"))
    words = f"{times(len(wrong), 'row')} with no place in its file, taken as the whole file: {listed(wrong, 3)}"
    return placed, [Doubt("table", words, grave=True)] if wrong else []


def _numbered(clips: Sequence[Clip]) -> tuple[list[Clip], list[Doubt]]:
    """Give every clip an id of its own, and name those that are there twice."""
    groups: defaultdict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        groups[clip.clip_id].append(clip)
    numbered = [
        replace(clip, clip_id=f"{clip_id}#{number}" if number > 1 else clip_id)
        for clip_id, own in groups.items()
        for number, clip in enumerate(own, start=1)
    ]
    found = []
    if twice := [clip_id for clip_id, own in groups.items() if len(own) > 1]:
        found.append(Doubt("table", f"{times(len(twice), 'clip')} in several rows: {listed(twice)}", grave=True))
    for column in ("label", "actor"):
        values = {clip_id: sorted({getattr(clip, column) for clip in own}) for clip_id, own in groups.items()}
        if several := [f"{clip_id} ({' and '.join(own)})" for clip_id, own in values.items() if len(own) > 1]:
            words = f"{times(len(several), 'clip')} with two {column}s: {listed(several)}"
            found.append(Doubt(column, words, grave=True))
    return numbered, found
