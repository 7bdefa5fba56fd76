"""The clips of a corpus as columns of a table; a `Clip` is made of a row when it is asked for.

So a million clips take what their texts take, and are checked and compared column by column.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, get_args, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ravfeat.errors import CorpusError
from ravfeat.escape import is_printable
from ravfeat.schema import Gender
from ravfeat.texts import SortedTexts

__all__ = ["CLIP_SCHEMA", "Clip", "ClipTable", "ClipsById", "check_clips"]

_TEXTS = ("clip_id", "performance_id", "actor", "gender", "label", "path")
_CHUNK = 1 << 13
"""Clips that are Python objects at a time while all are iterated."""

CLIP_SCHEMA = pa.schema([*((name, pa.string()) for name in _TEXTS), ("duration_s", pa.float64())])


@dataclass(frozen=True)
class Clip:
    """One media file.

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
    """

    clip_id: str
    performance_id: str
    actor: str
    gender: str
    label: str
    path: str
    duration_s: float = math.nan


class ClipTable(Sequence[Clip]):
    """A sequence of clips that are rows of a table.

    Parameters
    ----------
    table : pyarrow.Table
        With the columns of `CLIP_SCHEMA`, without nulls.
    """

    def __init__(self, table: pa.Table) -> None:
        if not table.schema.equals(CLIP_SCHEMA, check_metadata=True):
            table = table.select(CLIP_SCHEMA.names).replace_schema_metadata(None)
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
            batches.append(_columns(part))
        return cls(pa.Table.from_batches(batches, CLIP_SCHEMA))

    @classmethod
    def joined(cls, parts: Iterable["ClipTable"]) -> "ClipTable":
        """Put tables under each other."""
        return cls(pa.concat_tables([part.table for part in parts]))

    def __len__(self) -> int:
        return len(self.table)

    def __iter__(self) -> Iterator[Clip]:
        for batch in self.table.to_batches(max_chunksize=_CHUNK):
            yield from map(_clip, zip(*(column.to_pylist() for column in batch.columns), strict=True))

    @overload
    def __getitem__(self, row: int) -> Clip: ...
    @overload
    def __getitem__(self, row: slice) -> "ClipTable": ...
    def __getitem__(self, row: int | slice) -> "Clip | ClipTable":
        rows = range(len(self))[row]
        if isinstance(rows, int):
            return _clip([column[rows].as_py() for column in self.table.columns])
        return ClipTable(self.table.slice(rows.start, len(rows))) if rows.step == 1 else self.take(np.array(rows))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ClipTable):
            return isinstance(other, Sequence) and tuple(self) == tuple(other)
        texts = list(_TEXTS)
        same = len(self) == len(other) and self.table.select(texts).equals(other.table.select(texts))
        return same and np.array_equal(self.durations_s, other.durations_s, equal_nan=True)

    def __hash__(self) -> int:
        return hash((len(self), *self[:1]))

    def __repr__(self) -> str:
        return f"<{len(self)} clips>"

    @property
    def durations_s(self) -> NDArray[np.float64]:
        """Length of every clip in seconds, NaN where it is not known; shape (N,)."""
        return np.asarray(self.table["duration_s"])

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


def _clip(cells: Sequence[Any]) -> Clip:
    clip = Clip(*cells)
    # One object stands for all NaN, so that clips of unknown length can be equal.
    return clip if clip.duration_s == clip.duration_s else replace(clip, duration_s=math.nan)


def _columns(clips: Sequence[Clip]) -> pa.RecordBatch:
    try:
        columns = [pa.array([getattr(clip, name) for clip in clips], pa.string()) for name in _TEXTS]
    except UnicodeEncodeError:
        for clip in clips:
            _check_printable(clip)
        raise
    columns.append(pa.array([clip.duration_s for clip in clips], pa.float64()))
    return pa.RecordBatch.from_arrays(columns, schema=CLIP_SCHEMA)


def check_clips(corpus: str, classes: Sequence[str], clips: ClipTable) -> None:
    """Check sorted clips column by column; the message is about the first clip that is wrong.

    Raises
    ------
    CorpusError
        For two clips with one id, control characters, or a clip that lacks what it needs.
    """
    table = clips.table
    _check_ids(table)
    for row in _first(*(_not_printable(table[name]) for name in _TEXTS)):
        _check_printable(clips[row])
    if len(labels := frozenset(classes)) < len(classes):
        raise CorpusError(f"corpus '{corpus}' has a class twice: {list(classes)}")
    duration_s = table["duration_s"]
    wrong = (
        _with_value(table["gender"], lambda gender: gender not in get_args(Gender)),
        pc.equal(table["clip_id"], ""),
        pc.equal(table["performance_id"], ""),
        pc.or_(pc.less(duration_s, 0), pc.equal(duration_s, math.inf)),
        _with_value(table["actor"], _names_nobody),
        _with_value(table["label"], lambda label: label not in labels),
    )
    for row in _first(*wrong):
        _check_clip(clips[row], classes)


def _check_ids(table: pa.Table) -> None:
    ids = table["clip_id"]
    again = ids[1:].filter(pc.equal(ids[:-1], ids[1:])).unique()
    if len(again):
        paths = table.filter(pc.equal(ids, again[0]))["path"].to_pylist()
        raise CorpusError(
            f"two clips with one id: '{again[0]}' is {' and '.join(paths)}"
            f"{f' (and {len(again) - 1} more ids)' if len(again) > 1 else ''};"
            " rename one, or give a 'clip_id' column"
        )


def _check_printable(clip: Clip) -> None:
    for name in _TEXTS:
        if not is_printable(getattr(clip, name)):
            raise CorpusError(
                f"the {name} of a clip is {getattr(clip, name)!r}: it holds control characters; rename it"
            )


def _check_clip(clip: Clip, classes: Sequence[str]) -> None:
    if clip.gender not in get_args(Gender):
        raise CorpusError(f"clip '{clip.clip_id}' has gender '{clip.gender}'; expected {get_args(Gender)}")
    if not clip.clip_id or not clip.performance_id or clip.duration_s < 0 or clip.duration_s == math.inf:
        raise CorpusError(f"clip '{clip.clip_id}' lacks its id or performance, or lasts {clip.duration_s} s")
    if _names_nobody(clip.actor):
        raise CorpusError(f"clip '{clip.clip_id}' has no actor; every clip needs one, or folds cannot be made")
    if clip.label not in classes:
        raise CorpusError(f"clip '{clip.clip_id}' has label '{clip.label}'; expected one of {sorted(set(classes))}")


def _names_nobody(actor: str) -> bool:
    # The corpus comes before the colon; an empty cell of a table leaves nothing after it.
    return not actor.rpartition(":")[2].strip()


def _not_printable(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    # Only what is not plain ASCII is looked at by Python.
    unusual = pc.match_substring_regex(texts, "[^ -~]")
    return _with_value(pc.if_else(unusual, texts, ""), lambda text: not is_printable(text))


def _with_value(texts: pa.ChunkedArray, is_wrong: Callable[[str], bool]) -> pa.ChunkedArray:
    """Mark the rows whose text is wrong; every different text is looked at once."""
    wrong = [text for text in texts.unique().to_pylist() if is_wrong(text)]
    return pc.is_in(texts, value_set=pa.array(wrong, pa.string()))


def _first(*masks: pa.ChunkedArray) -> Iterator[int]:
    """Yield the first row that some mask marks; nothing where none does."""
    rows = [row for mask in masks if (row := pc.index(mask, True).as_py()) >= 0]
    yield from [min(rows)] if rows else []
