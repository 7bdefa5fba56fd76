"""From a cache to arrays."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ravfeat.cache import open_cache
from ravfeat.cache.format import StoreRecipe
from ravfeat.errors import CacheError, ShardError, UsageError
from ravfeat.features.clips import Reading
from ravfeat.features.load import check_reading, load_concatenated, load_features
from tests.toycaches import Take, actors_and_emotions, build_cache
from tests.writtencaches import write_cache


@pytest.fixture(scope="module")
def takes() -> list[Take]:
    return actors_and_emotions(actors=3, repeats=2)


@pytest.fixture
def cache(takes, tmp_path, small_shards):
    opened = open_cache(build_cache(tmp_path, takes))
    assert len(opened.shards) == 6
    return opened


def one_store(tmp_path: Path, takes: list[Take], **recipe: object):
    return open_cache(build_cache(tmp_path, takes, recipe=StoreRecipe(dtype="float32", **recipe)))


def test_frames_come_in_the_order_asked_for_across_shards(cache, takes) -> None:
    wanted = [takes[i] for i in (20, 3, 4, 0)]
    features = load_features(cache, [take.clip_id for take in wanted], Reading())
    np.testing.assert_array_equal(features.frames, np.concatenate([take.features for take in wanted]))
    np.testing.assert_array_equal(np.diff(features.offsets), [len(take.features) for take in wanted])
    assert (features.layers, features.statistics, features.window) == ((0, 1, 2), (), 1)


def test_a_clip_asked_for_twice_is_there_twice_and_no_clip_is_refused(cache, takes) -> None:
    names = [takes[i].clip_id for i in (7, 2, 7)]
    features = load_features(cache, names, Reading())
    np.testing.assert_array_equal(features.frames, np.concatenate([takes[i].features for i in (7, 2, 7)]))
    with pytest.raises(UsageError, match=r"expected at least one clip of .*, got none"):
        load_features(cache, [], Reading())


def test_only_the_layers_asked_for_are_read(cache, takes) -> None:
    features = load_features(cache, [takes[5].clip_id], Reading(), layers=(2, 0))
    np.testing.assert_array_equal(features.frames, takes[5].features[:, [2, 0]])
    assert features.layers == (2, 0)


def test_frames_are_averaged_in_windows_of_one_clip_only(cache, takes) -> None:
    features = load_features(cache, [takes[0].clip_id, takes[9].clip_id], Reading(window=4))
    expected = [
        part.mean(0) for take in (takes[0], takes[9]) for part in (take.features[:4], take.features[4:]) if len(part)
    ]
    np.testing.assert_allclose(features.frames, expected, rtol=1e-5)
    assert features.window == 4


def test_statistics_are_those_of_each_clip(cache, takes) -> None:
    features = load_features(cache, [takes[7].clip_id, takes[2].clip_id], Reading(statistics=("std", "mean")))
    for row, take in enumerate((takes[7], takes[2])):
        expected = np.concatenate([take.features.std(0), take.features.mean(0)], axis=-1)
        np.testing.assert_allclose(features.frames[row], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(features.offsets, [0, 1, 2])
    assert features.statistics == ("std", "mean")


def test_a_pooled_cache_gives_what_it_holds(takes, tmp_path) -> None:
    cache = one_store(tmp_path, takes, store="pooled")
    features = load_features(cache, [takes[4].clip_id], Reading(window=16), layers=(1,))
    expected = np.concatenate([takes[4].features.mean(0), takes[4].features.std(0)], axis=-1)[None, [1]]
    np.testing.assert_allclose(features.frames, expected, rtol=1e-5, atol=1e-6)
    assert (features.statistics, features.window, features.layers) == (("mean", "std"), 1, (1,))


def test_a_pooled_cache_without_a_wanted_statistic_is_refused(takes, tmp_path) -> None:
    cache = one_store(tmp_path, takes, store="pooled")
    check_reading(cache, Reading(statistics=("mean",)))
    with pytest.raises(
        CacheError, match=r"holds pooled \['mean', 'std'\], the head needs \['q10'\] as well; extract with"
    ):
        load_features(cache, [takes[0].clip_id], Reading(statistics=("mean", "q10")))


def test_frames_that_were_averaged_before_count_towards_the_window(takes, tmp_path) -> None:
    cache = one_store(tmp_path, takes, frame_stride=2)
    long = next(take for take in takes if len(take.features) >= 4)
    features = load_features(cache, [long.clip_id], Reading(window=4))
    assert features.window == 4
    np.testing.assert_allclose(features.frames[0], long.features[:4].mean(0), rtol=1e-4, atol=1e-6)
    assert load_features(cache, [long.clip_id], Reading(window=1)).window == 2


def test_clips_that_are_not_stored_are_named(cache, takes) -> None:
    with pytest.raises(CacheError, match=r"2 clips are not stored in .*: x, y …"):
        load_features(cache, ["x", takes[0].clip_id, "y"], Reading())


def test_a_layer_that_is_not_stored_is_refused(cache, takes) -> None:
    with pytest.raises(CacheError, match=r"layers \[3\] are not stored"):
        load_features(cache, [takes[0].clip_id], Reading(), layers=(1, 3))


def test_a_changed_feature_is_refused_before_it_is_trained_on(cache, takes) -> None:
    take = takes[0]
    shard = next(path for path in sorted(cache.path.glob("shard-*.h5")) if path.read_bytes().find(_row(take)) >= 0)
    data = bytearray(shard.read_bytes())
    data[data.find(_row(take))] ^= 1
    shard.write_bytes(data)
    with pytest.raises(ShardError, match=f"clip '{take.clip_id}' in .* is damaged: it does not match its digest"):
        load_features(open_cache(cache.path), [take.clip_id], Reading())


def _row(take: Take) -> bytes:
    return np.ascontiguousarray(take.features[0, 1], "<f4").tobytes()


# --- joined caches


def test_joined_caches_lie_side_by_side_within_every_statistic(takes, tmp_path) -> None:
    narrow = [replace(take, clip_id=f"n{take.clip_id}", features=take.features[:, :1, :2] + 7) for take in takes]
    caches = [open_cache(write_cache(tmp_path, takes)), open_cache(write_cache(tmp_path, narrow, name="narrow"))]
    wanted = [takes[i] for i in (5, 0, 3)]
    ids = [[take.clip_id for take in wanted], [f"n{take.clip_id}" for take in wanted]]
    joined = load_concatenated(caches, ids, ("mean", "speed"), layers=[(1, 2), None])
    assert (joined.blocks, joined.layers, joined.statistics) == ((8, 2), (0,), ("mean", "speed"))
    assert joined.frames.shape == (3, 1, 20)
    np.testing.assert_array_equal(joined.offsets, [0, 1, 2, 3])
    for row, take in enumerate(wanted):
        parts = (take.features[:, 1:], take.features[:, :1, :2] + 7)
        means = [part.mean(0).ravel() for part in parts]
        speeds = [np.abs(np.diff(part, axis=0)).mean(0).ravel() for part in parts]
        np.testing.assert_allclose(joined.frames[row, 0], np.concatenate([*means, *speeds]), rtol=1e-4, atol=1e-5)


def test_a_pooled_cache_joins_one_of_frames(takes, tmp_path) -> None:
    pooled = open_cache(write_cache(tmp_path, takes, pooled=("mean", "std", "speed")))
    frames = open_cache(write_cache(tmp_path, takes, name="frames"))
    ids = [take.clip_id for take in takes]
    joined = load_concatenated([pooled, frames], [ids, ids], ("speed", "mean"), layers=[None, None])
    halves = joined.frames.reshape(len(takes), 2, 2, 12)  # (N, S, cache, L * D)
    np.testing.assert_allclose(halves[:, :, 0], halves[:, :, 1], rtol=1e-4, atol=1e-5)
