"""Check the clips of a corpus column by column: ids, names, labels, lengths, places in files."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import get_args

import pyarrow as pa
import pyarrow.compute as pc

from ravfeat.clips import SPAN, Clip, ClipTable, check_printable
from ravfeat.errors import CorpusError
from ravfeat.escape import is_printable
from ravfeat.schema import Gender

__all__ = ["check_clips"]


def check_clips(corpus: str, classes: Sequence[str], clips: ClipTable) -> None:
    """Check sorted clips column by column; the message is about the first clip that is wrong.

    Raises
    ------
    CorpusError
        For two clips with one id, control characters, or a clip that lacks what it needs.
    """
    table = clips.table
    _check_ids(table)
    texts = [name for name in table.column_names if table[name].type == pa.string()]
    for row in _first(*(_not_printable(table[name]) for name in texts)):
        check_printable(clips[row].texts)
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
        *_wrong_spans(table),
    )
    for row in _first(*wrong):
        _check_clip(clips[row], classes)


def _wrong_spans(table: pa.Table) -> Iterator[pa.ChunkedArray]:
    """Mark clips that begin before their file, end where they begin, or never."""
    if SPAN[0] not in table.column_names:
        return
    start_s, end_s = (table[name] for name in SPAN)
    # No comparison with NaN, which stands for the file's own start or end, is true.
    yield pc.or_(pc.less(start_s, 0), pc.or_(pc.is_inf(start_s), pc.is_inf(end_s)))
    yield pc.or_(pc.less_equal(end_s, 0), pc.less_equal(end_s, start_s))


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


def _check_clip(clip: Clip, classes: Sequence[str]) -> None:
    if clip.gender not in get_args(Gender):
        raise CorpusError(f"clip '{clip.clip_id}' has gender '{clip.gender}'; expected {get_args(Gender)}")
    if not clip.clip_id or not clip.performance_id or clip.duration_s < 0 or clip.duration_s == math.inf:
        raise CorpusError(f"clip '{clip.clip_id}' lacks its id or performance, or lasts {clip.duration_s} s")
    if clip.start_s < 0 or clip.end_s <= max(0, clip.start_s) or math.inf in (clip.start_s, clip.end_s):
        raise CorpusError(
            f"clip '{clip.clip_id}' is the part of {clip.path} from {clip.start_s:g} to {clip.end_s:g} s; expected 0 <="
            " start < end, in seconds"
        )
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
