"""Features read past HDF5: the same values from any layout, by many at once, never from a file that is too short."""

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ravfeat.cache import open_cache, rebuild_index
from ravfeat.cache.features import stored_features
from ravfeat.cache.format import ShardContent, shard_file
from ravfeat.cache.reader import Cache
from ravfeat.cache.serialise import serialise_shard
from ravfeat.cache.shard import open_shard
from ravfeat.errors import ShardError
from tests.toycaches import actors_and_emotions
from tests.writtencaches import write_cache


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """Three clips of 25 layers × 64, half precision."""
    takes = actors_and_emotions(actors=1, n_layers=25, dim=64)[:3]
    return open_cache(write_cache(tmp_path, takes, dtype="float16"))


def relaid(path: Path, **layout: Any) -> None:
    """Store a shard's features in another layout."""
    with h5py.File(path, "r+") as file:
        values, attributes = file["features"][...], dict(file["features"].attrs)
        del file["features"]
        file.create_dataset("features", data=values, **layout).attrs.update(attributes)


@pytest.mark.parametrize("layout", [{}, {"chunks": (1, 2, 64)}, {"chunks": True, "compression": "gzip"}])
@pytest.mark.parametrize("layers", [None, [3], [7, 8, 9], [24, 0, 1]])
def test_every_way_of_reading_gives_what_hdf5_gives(cache: Cache, layout: Any, layers: list[int] | None) -> None:
    relaid(cache.path / shard_file(0), **layout)
    with pytest.raises(ShardError, match="is not the file that the index was made from"):
        cache.read_shard(0)
    rebuild_index(cache.path)
    cache = open_cache(cache.path)
    with open_shard(cache.path / shard_file(0)) as file:
        expected = file["features"][...][layers or slice(None)]
    np.testing.assert_array_equal(cache.read_shard(0, layers=layers).features, expected)
    np.testing.assert_array_equal(cache.map_shard(0, layers=layers).features, expected)
    together = np.concatenate([x for _, x in cache.iter(layers=layers)]).transpose(1, 0, 2)
    np.testing.assert_array_equal(together, expected)
    assert cache.map_shard(0).clips == cache.read_shard(0).clips


def test_a_mapped_shard_is_the_file_itself_and_changes_nothing_in_it(cache: Cache) -> None:
    torch = pytest.importorskip("torch")
    before = (cache.path / shard_file(0)).read_bytes()
    features = cache.map_shard(0).features
    assert not features.flags.owndata
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.from_numpy(features).zero_()
    assert (cache.path / shard_file(0)).read_bytes() == before
    assert cache.map_shard(0).features.any()


def test_a_mapped_shard_outlives_the_open_file(cache: Cache) -> None:
    mapped, expected = cache.map_shard(0, layers=[2, 3]).features, cache.read_shard(0, layers=[2, 3]).features
    cache.close()
    (cache.path / shard_file(0)).unlink()
    np.testing.assert_array_equal(mapped, expected)


def test_features_begin_on_the_boundary_of_a_page(cache: Cache) -> None:
    with open_shard(cache.path / shard_file(0)) as file:
        assert file["features"].id.get_offset() % 4096 == 0


@pytest.mark.parametrize("lost", [1, 40_000])
def test_a_file_that_was_cut_short_is_an_error_however_it_is_read(cache: Cache, lost: int) -> None:
    path = cache.path / shard_file(0)
    features = cache.features(0)  # open before the damage, so that HDF5 has no say
    with open_shard(path) as file:
        end = file["features"].id.get_offset() + file["features"].nbytes
    os.truncate(path, end - lost)
    with pytest.raises(ShardError, match=r"shard-00000\.h5 was cut short; 'ravfeat cache verify"):
        features.view(slice(0, 25))
    out = np.empty(features.shape, features.dtype)
    with pytest.raises(ShardError, match=r"cannot be read \(it ends at byte \d+, expected \d+\); 'ravfeat cache"):
        features.read(slice(0, 25), slice(0, features.shape[1]), out)
    with pytest.raises(ShardError, match=r"shard-00000\.h5 is not the file that the index was made from.*cache verify"):
        open_cache(cache.path)


def test_features_beyond_the_end_of_the_file_are_refused_when_it_is_opened(cache: Cache, tmp_path: Path) -> None:
    with open_shard(cache.path / shard_file(0)) as file:
        os.truncate(cache.path / shard_file(0), file["features"].id.get_offset() + file["features"].nbytes - 7)
        with pytest.raises(ShardError, match=r"cannot be read \(it lacks 7 bytes\)"):
            stored_features(cache.path / shard_file(0), file)


def test_frames_that_are_not_there_are_refused(cache: Cache) -> None:
    features = cache.features(0)
    n_frames = features.shape[1]
    with pytest.raises(ShardError, match=f"has {n_frames} frames, asked for 2 to {n_frames + 1}"):
        features.read(slice(0, 1), slice(2, n_frames + 1), np.empty((1, n_frames - 1, 64), np.float16))


def test_a_shard_of_failed_clips_only_has_no_features(content: ShardContent, tmp_path: Path) -> None:
    empty = ShardContent(**{**content.__dict__, "clips": (), "features": (), "times_s": ()})
    (tmp_path / "s.h5").write_bytes(serialise_shard(empty).data)
    with open_shard(tmp_path / "s.h5") as file:
        features = stored_features(tmp_path / "s.h5", file)
    assert features.view(slice(0, 3)).shape == (3, 0, 5)
    features.read(slice(0, 3), slice(0, 0), np.empty((3, 0, 5), np.float16))


def test_iteration_uses_memory_again_and_never_that_of_a_clip_somebody_holds(cache: Cache) -> None:
    expected = [cache[clip_id].copy() for clip_id in cache.clip_ids]
    held = [clip for _, clip in cache.iter()]
    for clip, own in zip(held, expected, strict=True):
        np.testing.assert_array_equal(clip, own)
    places = set()
    for _, clip in cache.iter([cache.clip_ids[0]] * 6):
        places.add(clip.ctypes.data)
    assert len(places) == 2  # one is held by the loop while the next is read


def sums(cache: Cache, clip_ids: Sequence[str]) -> list[float]:
    return [float(cache[clip_id].astype(np.float64).sum()) for clip_id in clip_ids]


def test_processes_and_threads_read_one_cache_at_once(cache: Cache) -> None:
    expected = sums(cache, cache.clip_ids)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(sums, [cache] * 20, [cache.clip_ids] * 20)) == [expected] * 20
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        assert list(pool.map(sums, [cache] * 4, [cache.clip_ids] * 4)) == [expected] * 4


def test_readers_do_not_wait_for_each_other(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    from threading import Barrier

    both, read = Barrier(2, timeout=30), os.preadv

    def meet(*what: Any) -> int:
        both.wait()  # breaks where one reader keeps the other out
        return read(*what)

    cache.features(0)
    monkeypatch.setattr("ravfeat.cache.features.os.preadv", meet)
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda clip_id: cache.read([clip_id], layers=[0])[0], cache.clip_ids[:2])
    assert (len(one), len(two)) == tuple(cache.records()[clip_id].n_frames for clip_id in cache.clip_ids[:2])


def test_three_of_25_layers_and_one_of_three_clips_cost_their_share(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    read = os.preadv

    def watch(handle: int, buffers: Any, offset: int) -> int:
        sizes.append(read(handle, buffers, offset))
        return sizes[-1]

    monkeypatch.setattr("ravfeat.cache.features.os.preadv", watch)
    (clip,) = cache.read(cache.clip_ids[1:2])
    assert sum(sizes) == clip.nbytes == cache.records()[cache.clip_ids[1]].n_frames * 25 * 64 * 2
    sizes.clear()
    cache.read_shard(0, layers=[6, 7, 8])
    assert sum(sizes) * 25 == 3 * cache.read_shard(0).features.nbytes
