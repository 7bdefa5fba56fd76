"""Clips read side by side, each held against its digest."""

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ravfeat.cache import open_cache
from ravfeat.cache.digests import head_sha256
from ravfeat.cache.format import ClipRecord, shard_file
from ravfeat.cache.index import read_index, write_index
from ravfeat.cache.reader import Cache
from ravfeat.cache.shard import open_shard, read_header
from ravfeat.cache.verified_reads import read_verified
from ravfeat.errors import CacheError, ShardError
from ravfeat.files import sha256_of


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


def test_a_changed_layer_is_noticed_whichever_layers_are_read(cache: Cache) -> None:
    clip_id = spoil(cache, 2, 7.0)  # layer 1
    with pytest.raises(ShardError, match=f"clip '{clip_id}' in .* is damaged"):
        list(read_verified(cache, cache.clip_ids, [1], Taken()))
    assert sum(read_verified(cache, cache.clip_ids, [0, 2], Taken())) == 22
    assert cache.read([clip_id], layers=[1])  # as it says: unchecked
    with pytest.raises(ShardError, match=f"clip '{clip_id}' in .* is damaged"):
        cache.read([clip_id], layers=[1, 0], verify=True)
    np.testing.assert_array_equal(
        cache.read([clip_id], layers=[2, 0], verify=True)[0], cache.read([clip_id], layers=[2, 0])[0]
    )


OLD = Path(__file__).parents[1] / "format" / "v1" / "cache"


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
@pytest.mark.parametrize("layers", [[0], [2, 0], [1, 2]])
def test_of_version_1_all_layers_are_read_to_check_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int, layers: list[int]
) -> None:
    monkeypatch.setattr("ravfeat.cache.verified_reads._BLOCK_BYTES", block_bytes)
    cache = open_cache(shutil.copytree(OLD, tmp_path / "cache"))
    taken = Taken()
    list(read_verified(cache, cache.clip_ids, layers, taken))
    for clip_id in cache.clip_ids:
        expected = cache.read([clip_id], layers=layers, verify=True)[0]
        np.testing.assert_array_equal(taken.features(clip_id), expected)
    cache.close()
    with h5py.File(cache.path / shard_file(0), "r+") as file:
        file["features"][1, 0, 0] += 1
    first = read_header(cache.path / shard_file(0)).clips[0].clip_id
    cache = open_cache(rebuilt_head(cache.path))
    with pytest.raises(ShardError, match=f"clip '{first}' in .* is damaged"):
        list(read_verified(cache, [first], layers, Taken()))
    with pytest.raises(ShardError, match=f"clip '{first}' in .* is damaged"):
        cache.read([first], layers=layers, verify=True)


def rebuilt_head(folder: Path) -> Path:
    """Give a changed shard an index that vouches for it, so that only digests inside it can tell."""
    shards = read_index(folder)
    path = folder / shard_file(0)
    features = stored_features_range(path)
    shards[0] = replace(shards[0], sha256=sha256_of(path), head_sha256=head_sha256(path, features), features=features)
    rows = [
        row | {"shard_sha256": shards[0].sha256, "shard_head_sha256": shards[0].head_sha256,
               "shard_features_offset": features[0], "shard_features_bytes": features[1]}
        for row in shards[0].rows
    ]  # fmt: skip
    shards[0] = replace(shards[0], rows=tuple(rows))
    write_index(folder, shards)
    return folder


def stored_features_range(path: Path) -> tuple[int, int]:
    with h5py.File(path, "r") as file:
        return int(file["features"].id.get_offset()), int(file["features"].nbytes)
