"""Whether systems can be fused, asked before anything is trained."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from ravfeat.errors import CacheError, CorpusError, ProtocolError
from ravfeat.experiment.fusable import check_fold_by_fold, in_common
from ravfeat.protocols.leakage import Fold

NAMES = ["voice", "face"]


@dataclass(frozen=True)
class Record:
    clip_id: str
    performance_id: str
    actor: str = "toy:1"
    gender: str = ""
    label: str = "calm"
    input_sha256: str = ""


def records(stream: str, numbers: range | list[int]) -> list[Record]:
    return [Record(f"{stream}-{number}", str(number)) for number in numbers]


def test_streams_with_the_same_performances_keep_all_their_clips() -> None:
    kept = in_common(NAMES, [records("a", range(4)), records("f", range(4))], allow_missing=False)
    assert kept == [{f"a-{i}" for i in range(4)}, {f"f-{i}" for i in range(4)}]


def test_other_performances_are_refused_by_count_and_name() -> None:
    sides = [records("a", range(9)), records("f", range(5, 12))]
    message = r"\n  voice lacks 3 of 12: 10, 11, 9\n  face lacks 5 of 12: 0, 1, 2 and 2 more\nextract .*--allow-missing"
    with pytest.raises(CacheError, match=message):
        in_common(NAMES, sides, allow_missing=False)
    kept = in_common(NAMES, sides, allow_missing=True)
    assert kept == [{f"a-{i}" for i in range(5, 9)}, {f"f-{i}" for i in range(5, 9)}]


def test_nothing_in_common_is_refused_even_where_gaps_are_allowed() -> None:
    with pytest.raises(CacheError, match="must hold the same performances"):
        in_common(NAMES, [records("a", [1]), records("f", [2])], allow_missing=True)


def test_one_performance_as_two_clips_is_refused_between_streams_and_fine_within_one() -> None:
    twins = [*records("a", range(3)), Record("a-again", "2")]
    with pytest.raises(
        CacheError, match=r"voice holds performance '2' as the clips 'a-2' and 'a-again'.*--fusion none"
    ):
        in_common(NAMES, [twins, records("f", range(3))], allow_missing=True)
    assert in_common(["logreg", "kernel"], [twins, twins], allow_missing=False)[0] == {one.clip_id for one in twins}


@pytest.mark.parametrize(("what", "value"), [("actor", "toy:2"), ("label", "sad")])
def test_a_performance_in_two_minds_is_refused(what, value) -> None:
    other = records("f", range(3))
    other[1] = replace(other[1], **{what: value})
    with pytest.raises(CorpusError, match=rf"performance '1' has {what} '.*' in voice and '{value}' in face"):
        in_common(NAMES, [records("a", range(3)), other], allow_missing=False)


def test_folds_that_test_other_performances_are_refused() -> None:
    sides = [records("a", range(4)), records("f", range(4))]
    rows = np.arange(4)
    one = [Fold(0, rows[:0], rows[:2], rows[2:]), Fold(1, rows[:0], rows[2:], rows[:2])]
    check_fold_by_fold("group2", NAMES, sides, [one, one])
    with pytest.raises(ProtocolError, match=r"fold 0 of 'group2' .* same test performances for voice and face: 4 are"):
        check_fold_by_fold("group2", NAMES, sides, [one, [replace(fold, number=i) for i, fold in enumerate(one[::-1])]])
