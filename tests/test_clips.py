"""Clips as columns: a sequence like a tuple of clips, checked column by column."""

import math
from dataclasses import replace

import numpy as np
import pytest

from ravfeat.clips import Clip, ClipsById, ClipTable, check_clips
from ravfeat.errors import CorpusError
from ravfeat.texts import SortedTexts

CLIPS = (
    Clip("a", "p", "c:1", "", "calm", "x/a.wav"),
    Clip("b", "b", "c:2", "male", "sad", "b.wav", 1.5),
    Clip("c", "ü", "c:2", "female", "sad", "c.wav", 2),
)


def check(*clips: Clip) -> None:
    check_clips("c", ("calm", "sad"), ClipTable.of(clips))


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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gender": "m"}, r"clip 'b' has gender 'm'; expected \('male', 'female', ''\)"),
        ({"performance_id": ""}, "clip 'b' lacks its id or performance, or lasts 1.5 s"),
        ({"duration_s": -1.0}, "or lasts -1.0 s"),
        ({"duration_s": math.inf}, "or lasts inf s"),
        ({"actor": "c:\u2003"}, "clip 'b' has no actor"),
        ({"label": "glad"}, "clip 'b' has label 'glad'"),
        ({"label": "sad\x9b"}, "the label of a clip is 'sad.x9b': it holds control characters"),
        ({"path": "\udcff.wav"}, "the path of a clip is '.udcff.wav': it holds control characters"),
        ({"clip_id": "a"}, "two clips with one id: 'a' is x/a.wav and b.wav;"),
    ],
)
def test_the_first_wrong_clip_is_named(change: dict[str, str], message: str) -> None:
    check(*CLIPS)
    with pytest.raises(CorpusError, match=message):
        check(CLIPS[0], replace(CLIPS[1], **change), replace(CLIPS[2], label="mad"))  # type: ignore[arg-type]


def test_a_table_of_very_many_classes_is_checked_at_once() -> None:
    class Classes(tuple[str, ...]):
        __slots__ = ()

        def __contains__(self, label: object) -> bool:
            raise AssertionError("the classes were searched from end to end for a label")

    check_clips("c", Classes(("calm", "sad", *map(str, range(1000)))), ClipTable.of(CLIPS).sorted())


def test_names_in_any_script_are_taken() -> None:
    check(replace(CLIPS[1], clip_id="größe/中文 é", actor="c:Ольга", path="😀.wav"))
