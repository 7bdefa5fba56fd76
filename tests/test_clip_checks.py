"""Checks of clips: the first wrong one is named, whichever column is wrong."""

import math
from dataclasses import replace

import pytest

from ravfeat.clip_checks import check_clips
from ravfeat.clips import Clip, ClipTable
from ravfeat.errors import CorpusError

CLIPS = (
    Clip("a", "p", "c:1", "", "calm", "x/a.wav"),
    Clip("b", "b", "c:2", "male", "sad", "b.wav", 1.5),
    Clip("c", "ü", "c:2", "female", "sad", "c.wav", 2),
)


def check(*clips: Clip) -> None:
    check_clips("c", ("calm", "sad"), ClipTable.of(clips))


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
        ({"start_s": -1.0}, "clip 'b' is the part of b.wav from -1 to nan s; expected 0 <= start < end, in seconds"),
        ({"start_s": 2.0, "end_s": 2.0}, "clip 'b' is the part of b.wav from 2 to 2 s"),
        ({"end_s": 0.0}, "clip 'b' is the part of b.wav from nan to 0 s"),
        ({"start_s": math.inf}, "clip 'b' is the part of b.wav from inf"),
        ({"further": {"note": "a\x1b[2Jb"}}, "the note of a clip is 'a.x1b.2Jb': it holds control characters"),
        ({"clip_id": "a"}, "two clips with one id: 'a' is x/a.wav and b.wav;"),
    ],
)
def test_the_first_wrong_clip_is_named(change: dict[str, object], message: str) -> None:
    check(*CLIPS)
    with pytest.raises(CorpusError, match=message):
        check(CLIPS[0], replace(CLIPS[1], **change), replace(CLIPS[2], label="mad"))  # type: ignore[arg-type]


def test_a_part_without_an_end_and_one_with_a_whole_file_are_taken() -> None:
    check(replace(CLIPS[0], start_s=0.0), replace(CLIPS[1], end_s=1.0), CLIPS[2])


def test_a_table_of_very_many_classes_is_checked_at_once() -> None:
    class Classes(tuple[str, ...]):
        __slots__ = ()

        def __contains__(self, label: object) -> bool:
            raise AssertionError("the classes were searched from end to end for a label")

    check_clips("c", Classes(("calm", "sad", *map(str, range(1000)))), ClipTable.of(CLIPS).sorted())


def test_names_in_any_script_are_taken() -> None:
    check(replace(CLIPS[1], clip_id="größe/中文 é", actor="c:Ольга", path="😀.wav"))
