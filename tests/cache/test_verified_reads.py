"""Clips read side by side, each held against its digest."""

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ravfeat.cache import open_cache
from ravfeat.cache.format import ClipRecord, shard_file
from ravfeat.cache.reader import Cache
from ravfeat.cache.shard import open_shard, read_header
from ravfeat.cache.verified_reads import read_verified
from ravfeat.errors import CacheError, ShardError


class Taken:
    """Puts the blocks of every clip together again."""

    def __init__(self) -> None:
        self.clips: dict[str, list[np.ndarray[Any, Any]]] = {}
        self.rows: dict[str, list[slice]] = {}

    def __call__(self, clip: ClipRecord, rows: slice, block: np.ndarray[Any, Any]) -> None:
        self.clips.setdefault(clip.clip_id, []).append(block.copy())
        self.rows.setdefault(clip.clip_id, []).append(rows)

    def features(self, clip_id: str) -> np.ndarray[Any, Any]:
        return np.concatenate(self.clips[clip_id]).transpose(1, 0, 2)


@pytest.fixture
def cache(cache_copy: Path) -> Cache:
    return open_cache(cache_copy)


@pytest.mark.parametrize("block_bytes", [1, 40_000, 1 << 20])
@pytest.mark.parametrize("layers", [None, [2, 0]])
def test_every_clip_comes_once_whatever_is_read_at_once(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, block_bytes: int, layers: list[int] | None
) -> None:
    monkeypatch.setattr("ravfeat.cache.verified_reads._BLOCK_BYTES", block_bytes)
    wanted, taken = [*cache.clip_ids[1:4], *cache.clip_ids[6:20]], Taken()
    assert sum(read_verified(cache, wanted, layers, taken)) == len(wanted)
    assert set(taken.clips) == set(wanted)
    for clip_id in wanted:
        np.testing.assert_array_equal(taken.features(clip_id), cache.read([clip_id], layers=layers)[0])
        starts = [rows.start for rows in taken.rows[clip_id]]
        assert starts == sorted(starts)


def test_nothing_is_read_that_was_not_asked_for(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    read = os.preadv

    def watch(*what: Any) -> int:
        sizes.append(read(*what))
        return sizes[-1]

    monkeypatch.setattr("ravfeat.cache.features.os.preadv", watch)
    wanted = [cache.clip_ids[2], cache.clip_ids[9]]
    list(read_verified(cache, wanted, [1], Taken()))
    assert sum(sizes) * 3 == sum(cache[clip_id].nbytes for clip_id in wanted)


def spoil(cache: Cache, shard: int, value: float) -> str:
    path = cache.path / shard_file(shard)
    clip = read_header(path).clips[1]
    with h5py.File(path, "r+") as file:
        file["features"][1, clip.frame_start, 3] = value
    return clip.clip_id


def test_a_changed_clip_is_named_and_its_neighbours_can_be_read(cache: Cache) -> None:
    clip_id = spoil(cache, 2, 7.0)
    with pytest.raises(ShardError, match=f"clip '{clip_id}' in .*shard-00002.h5 is damaged: it does not match its"):
        list(read_verified(cache, cache.clip_ids, None, Taken()))
    others = [other for other in cache.clip_ids if other != clip_id]
    assert sum(read_verified(cache, others, None, Taken())) == 21


def test_of_some_layers_what_is_not_finite_is_noticed(cache: Cache) -> None:
    clip_id = spoil(cache, 0, np.inf)
    with pytest.raises(ShardError, match=f"clip '{clip_id}' in .* is damaged"):
        list(read_verified(cache, cache.clip_ids, [1], Taken()))
    assert sum(read_verified(cache, cache.clip_ids, [0, 2], Taken())) == 22


def test_a_shard_cut_short_while_it_is_open_is_named(cache: Cache) -> None:
    path = cache.path / shard_file(3)
    cache.features(3)
    with open_shard(path) as file:
        end = file["features"].id.get_offset() + file["features"].nbytes
    data = path.read_bytes()
    os.truncate(path, end - 1)
    with pytest.raises(ShardError, match=r"shard-00003\.h5"):
        list(read_verified(cache, cache.clip_ids, None, Taken()))
    assert len(data) >= end


def test_what_goes_wrong_with_a_clip_is_raised(cache: Cache) -> None:
    def refuse(*_: object) -> None:
        raise CacheError("no room")

    with pytest.raises(CacheError, match="no room"):
        list(read_verified(cache, cache.clip_ids, None, refuse))
