"""Which clip of one cache is which clip of another."""

from dataclasses import replace

import pytest

from ravfeat.cache import open_cache
from ravfeat.errors import CacheError, CorpusError, UsageError
from ravfeat.experiment.align import align
from tests.toycaches import Take, actors_and_emotions
from tests.writtencaches import write_cache


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
    aligned = align([cache, other(tmp_path, renamed)])
    here, there = aligned.records
    assert list(here) == list(there) == sorted(take.clip_id for take in takes)
    assert there["01-02"].clip_id == "x97"
    assert aligned.missing == ()


def test_performances_that_one_lacks_are_counted_and_named_or_left_out_on_request(cache, takes, tmp_path) -> None:
    fewer = other(tmp_path, takes[2:])
    with pytest.raises(CacheError, match=rf"{fewer.path} lacks 2 of 12: 01-00, 01-01\n.*--allow-missing"):
        align([cache, fewer])
    aligned = align([cache, fewer], allow_missing=True)
    assert aligned.missing == ("01-00", "01-01")
    assert [len(own) for own in aligned.records] == [10, 10]


def test_many_missing_performances_are_counted_and_some_are_named(cache, takes, tmp_path) -> None:
    with pytest.raises(CacheError, match="lacks 8 of 12: 01-00, 01-01, 01-02, 01-03, 02-00 and 3 more"):
        align([cache, other(tmp_path, takes[8:])])


def test_caches_without_a_common_performance_are_refused(takes, tmp_path) -> None:
    caches = [open_cache(write_cache(tmp_path, takes[:4])), other(tmp_path, takes[4:])]
    with pytest.raises(CacheError, match="have no performance in common"):
        align(caches, allow_missing=True)


@pytest.mark.parametrize(("what", "value"), [("actor", "ravdess:09"), ("gender", "female"), ("label", "sad")])
def test_caches_that_disagree_on_who_acted_what_are_refused(what, value, cache, takes, tmp_path) -> None:
    mine = getattr(takes[0], what)
    torn = other(tmp_path, [replace(takes[0], **{what: value}), *takes[1:]])
    with pytest.raises(CorpusError, match=f"performance '01-00' has {what} '{mine}' in .* and '{value}' in "):
        align([cache, torn])


def test_streams_are_not_mixed(cache, takes, tmp_path) -> None:
    audio = other(tmp_path, takes, stream="audio")
    with pytest.raises(UsageError, match=r"caches of one stream(.|\n)*face: .*\n  audio: "):
        align([cache, audio])


def test_a_join_is_of_different_caches(cache) -> None:
    for caches in ([cache], [cache, cache]):
        with pytest.raises(UsageError, match="a join needs two or more different caches, got "):
            align(caches)


def test_a_performance_that_is_two_clips_is_refused(cache, takes, tmp_path) -> None:
    twice = other(tmp_path, [*takes, replace(takes[0], clip_id="again", performance_id="01-00")])
    with pytest.raises(CacheError, match="holds performance '01-00' as the clips '01-00' and 'again'"):
        align([cache, twice])
