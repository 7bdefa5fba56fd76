"""Where clips lie, from an index as columns."""

from pathlib import Path

import pytest

from ravfeat.cache import Cache, open_cache
from ravfeat.cache.index import read_index_table
from ravfeat.cache.places import ClipPlace, ClipPlaces
from ravfeat.cache.shard import read_header


def test_every_clip_is_found_where_its_shard_has_it(whole_cache: Path) -> None:
    places = ClipPlaces.of(read_index_table(whole_cache))
    there = {
        clip.clip_id: ClipPlace(number, clip.frame_start, clip.n_frames)
        for number, path in enumerate(sorted(whole_cache.glob("*.h5")))
        for clip in read_header(path).clips
    }
    assert {clip_id: places.find(clip_id) for clip_id in places.ids} == there
    assert places.find("nobody") is None
    assert list(places.in_file_order()) == sorted(there, key=there.__getitem__)
    assert places.of_shard(2) == {clip_id: place for clip_id, place in there.items() if place.shard == 2}
    assert places.of_shard(99) == {}
    assert places.unique == len(there)


def test_clips_are_grouped_by_shard_and_unknown_ones_left_out(whole_cache: Path) -> None:
    places = ClipPlaces.of(read_index_table(whole_cache))
    last, first = max(places.of_shard(5)), min(places.of_shard(0))
    assert list(places.by_shard([last, "nobody", first]).items()) == [(0, {first}), (5, {last})]
    assert places.by_shard([]) == {}


def test_only_the_shards_of_the_asked_clips_are_read(whole_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, read = open_cache(whole_cache), []
    header = Cache.header
    monkeypatch.setattr(Cache, "header", lambda self, number: (read.append(number), header(self, number))[1])
    chosen = {*cache.clips_of(1), *cache.clips_of(4)}
    assert cache.records(chosen).keys() == chosen
    assert read == [1, 4]
    assert [clip_id for clip_id, *_ in cache.facts()] == list(cache.clip_ids)
