"""The clips of a corpus as columns of a table; a `Clip` is made of a row when it is asked for.

So a million clips take what their texts take, and are checked and compared column by column. Columns that only some
corpora have come after those of `CLIP_SCHEMA`: ``start_s`` and ``end_s`` of clips that are parts of a file, and
``further/NAME`` for every further column of the corpus's table, texts or numbers.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ravfeat.errors import CorpusError
from ravfeat.escape import is_printable, printable
from ravfeat.schema import OWN_COLUMNS
from ravfeat.short_repr import short_repr
from ravfeat.texts import SortedTexts

__all__ = [
    "CLIP_SCHEMA",
    "FURTHER",
    "MAX_FURTHER",
    "SPAN",
    "TEXTS",
    "Clip",
    "ClipTable",
    "ClipsById",
    "check_printable",
    "clip_schema",
    "is_column_name",
    "number_text",
]

FURTHER = "further/"
"""What the name of a further column begins with in a table of clips."""

MAX_FURTHER = 64
"""Further columns of a corpus; a shard is not read where it has 200."""

SPAN = ("start_s", "end_s")
"""Columns of clips that are parts of a file."""

TEXTS = ("clip_id", "performance_id", "actor", "gender", "label", "path")
"""Columns of texts that every clip has."""

_CHUNK = 1 << 13
"""Clips that are Python objects at a time while all are iterated."""

CLIP_SCHEMA = pa.schema([*((name, pa.string()) for name in TEXTS), ("duration_s", pa.float64())])


@short_repr
@dataclass(frozen=True)
class Clip:
    """One media file, or a part of one.

    Attributes
    ----------
    clip_id : str
        Unique within the corpus.
    performance_id : str
        The acted take; several clips (voice, video) may be recordings of the same one.
    actor : str
        ``corpus:number-or-name``; the group that folds keep together.
    gender : {"male", "female", ""}
    label : str
        One of the manifest's classes.
    path : str
        Relative to the data folder.
    duration_s : float
        Clip length in seconds; NaN where the file could not be probed.
    start_s, end_s : float
        Of a part of a file: where it begins and ends, in seconds from the file's start; NaN stands for the file's own
        start or end.
    further : mapping of str to str or float
        What else the corpus's table says of the clip, by column; only what is known.
    """

    clip_id: str
    performance_id: str
    actor: str
    gender: str
    label: str
    path: str
    duration_s: float = math.nan
    start_s: float = math.nan
    end_s: float = math.nan
    further: Mapping[str, str | float] = field(default_factory=dict, hash=False)

    @property
    def is_part(self) -> bool:
        """Whether the clip is a part of its file."""
        return not (math.isnan(self.start_s) and math.isnan(self.end_s))

    @property
    def texts(self) -> dict[str, object]:
        """Every column that may hold a text, by name."""
        return {**self.further, **{name: getattr(self, name) for name in TEXTS}}

    @property
    def described(self) -> dict[str, str | float]:
        """What a shard stores of the clip beside its actor and label: further columns, and its place in the file."""
        span = {name: value for name in SPAN if not math.isnan(value := getattr(self, name))}
        return {**self.further, **span}


class ClipTable(Sequence[Clip]):
    """A sequence of clips that are rows of a table.

    Parameters
    ----------
    table : pyarrow.Table
        With the columns of `clip_schema`, without nulls.
    """

    def __init__(self, table: pa.Table) -> None:
        schema = clip_schema(table.schema)
        if not table.schema.equals(schema, check_metadata=True):
            table = table.select(schema.names).replace_schema_metadata(None)
        # In one piece: texts in many chunks are looked up slowly.
        self.table: pa.Table = table.combine_chunks() if table.column(0).num_chunks > 1 else table

    @classmethod
    def of(cls, clips: Iterable[Clip]) -> "ClipTable":
        """Put clips into columns; of a table the same object.

        Raises
        ------
        CorpusError
            For a text that cannot be written as UTF-8.
        """
        if isinstance(clips, ClipTable):
            return clips
        rows, batches = iter(clips), []
        while part := list(islice(rows, _CHUNK)):
            batches.append(cls(_columns(part)))
        return cls.joined([cls(CLIP_SCHEMA.empty_table()), *batches])

    @classmethod
    def joined(cls, parts: Iterable["ClipTable"]) -> "ClipTable":
        """Put tables under each other; a column that is numbers in one and texts in another becomes texts."""
        tables = [part.table for part in parts]
        extra = {name: [table[name].type for table in tables if name in table.column_names] for name in _extra(tables)}
        for name, types in extra.items():
            kind = pa.string() if pa.string() in types else pa.float64()
            tables = [_with_column(table, name, kind) for table in tables]
        return cls(pa.concat_tables([table.select([*CLIP_SCHEMA.names, *extra]) for table in tables]))

    def __len__(self) -> int:
        return len(self.table)

    def __iter__(self) -> Iterator[Clip]:
        for batch in self.table.to_batches(max_chunksize=_CHUNK):
            for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                yield _clip(cells, self.extra)

    @overload
    def __getitem__(self, row: int) -> Clip: ...
    @overload
    def __getitem__(self, row: slice) -> "ClipTable": ...
    def __getitem__(self, row: int | slice) -> "Clip | ClipTable":
        rows = range(len(self))[row]
        if isinstance(rows, int):
            return _clip([column[rows].as_py() for column in self.table.columns], self.extra)
        return ClipTable(self.table.slice(rows.start, len(rows))) if rows.step == 1 else self.take(np.array(rows))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ClipTable):
            return isinstance(other, Sequence) and tuple(self) == tuple(other)
        if len(self) != len(other) or not self.table.schema.equals(other.table.schema):
            return False
        return all(map(_equal, self.table.columns, other.table.columns))

    def __hash__(self) -> int:
        return hash((len(self), *self[:1]))

    def __repr__(self) -> str:
        return f"<{len(self)} clips>"

    @property
    def durations_s(self) -> NDArray[np.float64]:
        """Length of every clip in seconds, NaN where it is not known; shape (N,)."""
        return np.asarray(self.table["duration_s"])

    @cached_property
    def extra(self) -> tuple[str, ...]:
        """Columns of the table beside those of `CLIP_SCHEMA`."""
        return tuple(self.table.column_names[len(CLIP_SCHEMA) :])

    @property
    def further(self) -> tuple[str, ...]:
        """Names of the further columns, sorted."""
        return tuple(name.removeprefix(FURTHER) for name in self.extra if name.startswith(FURTHER))

    def compact(self) -> "ClipTable":
        """Drop columns beside those of `CLIP_SCHEMA` that say nothing of any clip; the same object without such."""
        empty = [name for name in self.extra if _says_nothing(self.table[name])]
        if not {*SPAN} <= {*empty}:
            empty = [name for name in empty if name not in SPAN]  # both, or none of them
        return ClipTable(self.table.drop_columns(empty)) if empty else self

    def take(self, rows: NDArray[np.int64]) -> "ClipTable":
        """Return some rows, in the order asked for."""
        return ClipTable(self.table.take(rows))

    def sorted(self) -> "ClipTable":
        """Sort by ``clip_id``; the same object where they are sorted."""
        ids = self.table["clip_id"]
        if pc.all(pc.less_equal(ids[:-1], ids[1:])).as_py() is not False:
            return self
        return ClipTable(self.table.take(pc.sort_indices(ids)))


class ClipsById(Mapping[str, Clip]):
    """Clips by ``clip_id``, found in a sorted table."""

    def __init__(self, ids: SortedTexts, clips: ClipTable) -> None:
        self._ids, self._clips = ids, clips

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __contains__(self, clip_id: object) -> bool:
        return clip_id in self._ids

    def __getitem__(self, clip_id: str) -> Clip:
        if (row := self._ids.find(clip_id)) < 0:
            raise KeyError(clip_id)
        return self._clips[row]


def clip_schema(schema: pa.Schema) -> pa.Schema:
    """Return the columns of a table of clips, in the order in which they are kept.

    Raises
    ------
    CorpusError
        Where a place in a file is no number, or a further column neither texts nor numbers, there are too many of
        them, or one has a name that `is_column_name` refuses.
    """
    names = set(schema.names)
    further = sorted(name for name in names if name.startswith(FURTHER))
    extra = [schema.field(name) for name in (*(name for name in SPAN if name in names), *further)]
    for column in extra:
        kinds = (pa.float64(),) if column.name in SPAN else (pa.float64(), pa.string())
        if column.type not in kinds:
            raise CorpusError(f"the column '{column.name}' of clips has the type {column.type}, expected {kinds[-1]}")
    if len(extra) - len(further) == 1:
        raise CorpusError(f"clips have one of the columns {' and '.join(SPAN)}, expected both or none")
    if len(further) > MAX_FURTHER:
        raise CorpusError(f"clips have {len(further)} further columns, expected at most {MAX_FURTHER}")
    if wrong := [name for name in further if not is_column_name(name.removeprefix(FURTHER))]:
        raise CorpusError(f"'{printable(wrong[0])}' cannot be the name of a further column of clips; rename it")
    return pa.schema([*CLIP_SCHEMA, *extra])


def is_column_name(name: str) -> bool:
    """Whether a further column may be called so: a short word that is none of ravfeat's own."""
    return re.fullmatch(r"\w{1,64}", name) is not None and name == name.lower() and name not in OWN_COLUMNS


def check_printable(texts: Mapping[str, object]) -> None:
    """Refuse a clip that has control characters in one of its texts, which are given by column.

    Raises
    ------
    CorpusError
    """
    for name, text in texts.items():
        if isinstance(text, str) and not is_printable(text):
            raise CorpusError(f"the {name} of a clip is {text!r}: it holds control characters; rename it")


def number_text(value: float) -> str:
    """Write a number as a table would: 3 for 3.0."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _extra(tables: Sequence[pa.Table]) -> list[str]:
    names = {name for table in tables for name in table.column_names[len(CLIP_SCHEMA) :]}
    return [*(name for name in SPAN if name in names), *sorted(names - {*SPAN})]


def _with_column(table: pa.Table, name: str, kind: pa.DataType) -> pa.Table:
    """Add a column in which nothing is known, or make a column of numbers one of texts."""
    if name not in table.column_names:
        nothing = pa.scalar("" if kind == pa.string() else math.nan, kind)
        return table.append_column(name, pa.repeat(nothing, len(table)))
    if table[name].type == kind:
        return table
    texts = ["" if math.isnan(value) else number_text(value) for value in table[name].to_pylist()]
    return table.set_column(table.column_names.index(name), name, pa.array(texts, kind))


def _says_nothing(column: pa.ChunkedArray) -> bool:
    empty = pc.equal(column, "") if column.type == pa.string() else pc.is_nan(column)
    return pc.all(empty).as_py() is not False


def _equal(a: pa.ChunkedArray, b: pa.ChunkedArray) -> bool:
    return np.array_equal(a, b, equal_nan=True) if pa.types.is_floating(a.type) else bool(a.equals(b))


def _clip(cells: Sequence[Any], extra: Sequence[str]) -> Clip:
    clip = Clip(*cells[: len(CLIP_SCHEMA)])
    # One object stands for all NaN, so that clips of unknown length can be equal.
    if clip.duration_s != clip.duration_s:
        clip = replace(clip, duration_s=math.nan)
    if not extra:
        return clip
    known = {name: value for name, value in zip(extra, cells[len(CLIP_SCHEMA) :], strict=True) if _is_known(value)}
    span = {name: known.pop(name) for name in SPAN if name in known}
    return replace(clip, **span, further={name.removeprefix(FURTHER): value for name, value in known.items()})


def _is_known(value: str | float) -> bool:
    return value != "" and value == value


def _columns(clips: Sequence[Clip]) -> pa.Table:
    try:
        columns = [pa.array([getattr(clip, name) for clip in clips], pa.string()) for name in TEXTS]
    except UnicodeEncodeError:
        for clip in clips:
            check_printable(clip.texts)
        raise
    columns.append(pa.array([clip.duration_s for clip in clips], pa.float64()))
    table = pa.table(columns, CLIP_SCHEMA)
    if any(clip.is_part for clip in clips):
        for name in SPAN:
            table = table.append_column(name, pa.array([getattr(clip, name) for clip in clips], pa.float64()))
    for name in sorted({name for clip in clips for name in clip.further}):
        table = table.append_column(FURTHER + name, _cells([clip.further.get(name) for clip in clips]))
    return table


def _cells(values: Sequence[str | float | None]) -> pa.Array:
    if not any(isinstance(value, str) for value in values):
        return pa.array([math.nan if value is None else float(value) for value in values], pa.float64())
    texts = ["" if value is None else value if isinstance(value, str) else number_text(value) for value in values]
    return pa.array(texts, pa.string())
