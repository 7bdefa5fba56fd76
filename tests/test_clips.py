"""Clips as columns: a sequence like a tuple of clips, checked column by column."""

import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from ravfeat.clips import Clip, ClipsById, ClipTable
from ravfeat.errors import CorpusError
from ravfeat.texts import SortedTexts

CLIPS = (
    Clip("a", "p", "c:1", "", "calm", "x/a.wav"),
    Clip("b", "b", "c:2", "male", "sad", "b.wav", 1.5),
    Clip("c", "ü", "c:2", "female", "sad", "c.wav", 2),
)


def test_a_table_of_clips_is_read_like_a_tuple() -> None:
    table = ClipTable.of(iter(CLIPS))
    assert table == CLIPS
    assert (table[1], table[-1], tuple(table[1:]), tuple(table[::-1])) == (
        CLIPS[1], CLIPS[-1], CLIPS[1:], CLIPS[::-1],
    )  # fmt: skip
    assert ClipTable.of(table) is table
    assert tuple(table.take(np.array([2, 0]))) == (CLIPS[2], CLIPS[0])


def test_clips_of_unknown_length_are_equal_and_others_are_not() -> None:
    assert ClipTable.of(CLIPS) == ClipTable.of(CLIPS)
    assert ClipTable.of(CLIPS)[0] == CLIPS[0]
    assert ClipTable.of(CLIPS) != ClipTable.of([*CLIPS[:2], replace(CLIPS[2], duration_s=math.nan)])
    assert ClipTable.of(CLIPS) != ClipTable.of(CLIPS[:2])


def test_clips_are_sorted_once() -> None:
    table = ClipTable.of(CLIPS[::-1]).sorted()
    assert table == CLIPS
    assert table.sorted() is table
    assert len(ClipTable.of([]).sorted()) == 0


def test_clips_are_found_by_their_ids() -> None:
    by_id = ClipsById(SortedTexts(ClipTable.of(CLIPS).table["clip_id"]), ClipTable.of(CLIPS))
    assert by_id["b"] == CLIPS[1]
    assert dict(by_id) == {clip.clip_id: clip for clip in CLIPS}
    assert "x" not in by_id
    with pytest.raises(KeyError, match="x"):
        by_id["x"]


PART = replace(CLIPS[0], start_s=0.5, end_s=2.0, further={"session": 1.0, "split": "train"})


def test_columns_that_only_some_clips_have_are_kept() -> None:
    table = ClipTable.of([PART, *CLIPS[1:]])
    assert table == (PART, *CLIPS[1:])
    assert (table[0].is_part, table[1].is_part) == (True, False)
    assert table.extra == ("start_s", "end_s", "further/session", "further/split")
    assert table.further == ("session", "split")
    assert PART.described == {"session": 1.0, "split": "train", "start_s": 0.5, "end_s": 2.0}
    assert table[1:].compact().extra == ()
    assert table != ClipTable.of(CLIPS)
    assert len({PART, *table}) == 3


def test_a_column_of_numbers_and_texts_becomes_texts() -> None:
    mixed = [replace(CLIPS[0], further={"take": 3.0}), replace(CLIPS[1], further={"take": "3b"}), CLIPS[2]]
    together = ClipTable.joined(ClipTable.of([clip]) for clip in mixed)
    assert together == ClipTable.of(mixed)
    assert [clip.further for clip in together] == [{"take": "3"}, {"take": "3b"}, {}]


@pytest.mark.parametrize(
    ("name", "column", "message"),
    [
        ("start_s", pa.array(["1"]), "'start_s' of clips has the type string, expected double"),
        ("start_s", pa.array([1.0]), "one of the columns start_s and end_s, expected both or none"),
        ("further/x", pa.array([1]), "'further/x' of clips has the type int64, expected string"),
        ("further/active1_start", pa.array(["a"]), "'further/active1_start' cannot be the name of a further column"),
        ("further/a/b", pa.array(["a"]), "'further/a/b' cannot be the name"),
        ("further/\x1b[31m", pa.array(["a"]), r"'further/.x1b\[31m' cannot be the name"),
    ],
)
def test_columns_that_cannot_be_stored_are_refused(name: str, column: pa.Array, message: str) -> None:
    table = ClipTable.of(CLIPS[:1]).table
    with pytest.raises(CorpusError, match=message):
        ClipTable(table.append_column(name, column))


def test_too_many_columns_are_refused() -> None:
    with pytest.raises(CorpusError, match="clips have 65 further columns, expected at most 64"):
        ClipTable.of([replace(CLIPS[0], further={f"column{n}": 1.0 for n in range(65)})])
