"""Which clip of one cache is which clip of another, and whether systems can be fused, asked before training."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from ravfeat.cache import open_cache
from ravfeat.errors import CacheError, CorpusError, ProtocolError, UsageError
from ravfeat.experiment.align import align_caches, check_fold_by_fold, common_clips
from ravfeat.protocols.leakage import Fold
from tests.toycaches import Take, actors_and_emotions
from tests.writtencaches import write_cache

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


@pytest.fixture(scope="module")
def takes() -> list[Take]:
    return actors_and_emotions(actors=3)


@pytest.fixture
def cache(takes, tmp_path):
    return open_cache(write_cache(tmp_path, takes))


def other(tmp_path, takes, **options):
    return open_cache(write_cache(tmp_path, takes, name="other", **options))


def test_clips_are_joined_by_performance_whatever_they_are_called(cache, takes, tmp_path) -> None:
    renamed = [replace(take, clip_id=f"x{99 - i}", performance_id=take.clip_id) for i, take in enumerate(takes)]
    aligned = align_caches([cache, other(tmp_path, renamed)])
    here, there = aligned.records
    assert list(here) == list(there) == sorted(take.clip_id for take in takes)
    assert there["01-02"].clip_id == "x97"
    assert aligned.missing == ()


def test_performances_that_one_lacks_are_counted_and_named_or_left_out_on_request(cache, takes, tmp_path) -> None:
    fewer = other(tmp_path, takes[2:])
    with pytest.raises(CacheError, match=rf"{fewer.path} lacks 2 of 12: 01-00, 01-01\n.*--allow-missing"):
        align_caches([cache, fewer])
    aligned = align_caches([cache, fewer], allow_missing=True)
    assert aligned.missing == ("01-00", "01-01")
    assert [len(own) for own in aligned.records] == [10, 10]


def test_many_missing_performances_are_counted_and_some_are_named(cache, takes, tmp_path) -> None:
    with pytest.raises(CacheError, match="lacks 8 of 12: 01-00, 01-01, 01-02, 01-03, 02-00 and 3 more"):
        align_caches([cache, other(tmp_path, takes[8:])])


def test_caches_without_a_common_performance_are_refused(takes, tmp_path) -> None:
    caches = [open_cache(write_cache(tmp_path, takes[:4])), other(tmp_path, takes[4:])]
    with pytest.raises(CacheError, match="have no performance in common"):
        align_caches(caches, allow_missing=True)


@pytest.mark.parametrize(("what", "value"), [("actor", "ravdess:09"), ("gender", "female"), ("label", "sad")])
def test_caches_that_disagree_on_who_acted_what_are_refused(what, value, cache, takes, tmp_path) -> None:
    mine = getattr(takes[0], what)
    torn = other(tmp_path, [replace(takes[0], **{what: value}), *takes[1:]])
    with pytest.raises(CorpusError, match=f"performance '01-00' has {what} '{mine}' in .* and '{value}' in "):
        align_caches([cache, torn])


def test_streams_are_not_mixed(cache, takes, tmp_path) -> None:
    audio = other(tmp_path, takes, stream="audio")
    with pytest.raises(UsageError, match=r"caches of one stream(.|\n)*face: .*\n  audio: "):
        align_caches([cache, audio])


def test_concatenated_caches_are_different_ones(cache) -> None:
    for caches in ([cache], [cache, cache]):
        with pytest.raises(UsageError, match="--concat needs two or more different caches, got "):
            align_caches(caches)


def test_a_performance_that_is_two_clips_is_refused(cache, takes, tmp_path) -> None:
    twice = other(tmp_path, [*takes, replace(takes[0], clip_id="again", performance_id="01-00")])
    with pytest.raises(CacheError, match="holds performance '01-00' as the clips '01-00' and 'again'"):
        align_caches([cache, twice])


# --- systems of a fusion


def test_streams_with_the_same_performances_keep_all_their_clips() -> None:
    kept = common_clips(NAMES, [records("a", range(4)), records("f", range(4))], allow_missing=False)
    assert kept == [{f"a-{i}" for i in range(4)}, {f"f-{i}" for i in range(4)}]


def test_other_performances_are_refused_by_count_and_name() -> None:
    sides = [records("a", range(9)), records("f", range(5, 12))]
    message = r"\n  voice lacks 3 of 12: 10, 11, 9\n  face lacks 5 of 12: 0, 1, 2 and 2 more\nextract .*--allow-missing"
    with pytest.raises(CacheError, match=message):
        common_clips(NAMES, sides, allow_missing=False)
    kept = common_clips(NAMES, sides, allow_missing=True)
    assert kept == [{f"a-{i}" for i in range(5, 9)}, {f"f-{i}" for i in range(5, 9)}]


def test_nothing_in_common_is_refused_even_where_gaps_are_allowed() -> None:
    with pytest.raises(CacheError, match="must hold the same performances"):
        common_clips(NAMES, [records("a", [1]), records("f", [2])], allow_missing=True)


def test_one_performance_as_two_clips_is_refused_between_streams_and_fine_within_one() -> None:
    twins = [*records("a", range(3)), Record("a-again", "2")]
    with pytest.raises(
        CacheError, match=r"voice holds performance '2' as the clips 'a-2' and 'a-again'.*--fusion none"
    ):
        common_clips(NAMES, [twins, records("f", range(3))], allow_missing=True)
    assert common_clips(["logreg", "kernel"], [twins, twins], allow_missing=False)[0] == {one.clip_id for one in twins}


@pytest.mark.parametrize(("what", "value"), [("actor", "toy:2"), ("label", "sad")])
def test_a_performance_in_two_minds_is_refused(what, value) -> None:
    other = records("f", range(3))
    other[1] = replace(other[1], **{what: value})
    with pytest.raises(CorpusError, match=rf"performance '1' has {what} '.*' in voice and '{value}' in face"):
        common_clips(NAMES, [records("a", range(3)), other], allow_missing=False)


def test_folds_that_test_other_performances_are_refused() -> None:
    sides = [records("a", range(4)), records("f", range(4))]
    rows = np.arange(4)
    one = [Fold(0, rows[:0], rows[:2], rows[2:]), Fold(1, rows[:0], rows[2:], rows[:2])]
    check_fold_by_fold("group2", NAMES, sides, [one, one])
    with pytest.raises(ProtocolError, match=r"fold 0 of 'group2' .* same test performances for voice and face: 4 are"):
        check_fold_by_fold("group2", NAMES, sides, [one, [replace(fold, number=i) for i, fold in enumerate(one[::-1])]])
