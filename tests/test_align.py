"""Records of several sources, matched by performance or by clip."""

from dataclasses import dataclass, replace

import pytest

from ravfeat.align import AlignErrors, align, by_key, common_key
from ravfeat.errors import CacheError, CorpusError

ERRORS = AlignErrors(
    duplicate=lambda fact: CacheError(f"{fact}: twice"),
    missing=lambda alignment: CacheError(f"missing {alignment.missing}\n{alignment.gaps()}"),
    conflict=lambda fact: CorpusError(f"{fact}: make it again"),
)


@dataclass(frozen=True)
class Clip:
    clip_id: str
    performance_id: str
    label: str = "calm"


VOICE = [Clip("a2", "2"), Clip("a1", "1")]
FACE = [Clip("f1", "1"), Clip("f2", "2"), Clip("f3", "3")]


def test_records_of_one_performance_find_each_other_in_sorted_order() -> None:
    aligned = align(["voice", "face"], [VOICE, FACE[:2]], "performance_id", ["label"], ERRORS)
    assert aligned.keys == ("1", "2")
    assert [[clip.clip_id for clip in table.values()] for table in aligned.records] == [["a1", "a2"], ["f1", "f2"]]


def test_what_one_lacks_is_refused_or_left_out_but_never_everything() -> None:
    with pytest.raises(CacheError, match=r"missing \('3',\)\n  voice lacks 1 of 3: 3"):
        align(["voice", "face"], [VOICE, FACE], "performance_id", [], ERRORS)
    aligned = align(["voice", "face"], [VOICE, FACE], "performance_id", [], ERRORS, allow_missing=True)
    assert (aligned.keys, aligned.missing) == (("1", "2"), ("3",))
    with pytest.raises(CacheError, match="missing"):
        align(["voice", "face"], [VOICE, FACE[2:]], "performance_id", [], ERRORS, allow_missing=True)


def test_only_what_was_asked_for_must_agree() -> None:
    sad = [replace(FACE[0], label="sad"), FACE[1]]
    align(["voice", "face"], [VOICE, sad], "performance_id", [], ERRORS)
    with pytest.raises(CorpusError, match="performance '1' has label 'calm' in voice and 'sad' in face: make it again"):
        align(["voice", "face"], [VOICE, sad], "performance_id", ["label"], ERRORS)


def test_one_key_twice_in_a_source_is_refused_with_both_clips() -> None:
    twice = [*VOICE, Clip("a9", "1")]
    with pytest.raises(CacheError, match="voice holds performance '1' as the clips 'a1' and 'a9': twice"):
        by_key("voice", twice, "performance_id", ERRORS.duplicate)
    assert len(by_key("voice", twice, "clip_id", ERRORS.duplicate)) == 3


def test_sources_of_the_very_same_clips_are_matched_by_clip() -> None:
    assert common_key([["a", "b"], ["b", "a"]]) == "clip_id"
    assert common_key([["a", "b"], ["f"]]) == "performance_id"
