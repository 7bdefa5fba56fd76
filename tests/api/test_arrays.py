"""Pooled clips as arrays for scikit-learn."""

from dataclasses import replace

import numpy as np
import pytest

import ravfeat
from ravfeat.cache.format import StoreRecipe
from ravfeat.errors import CacheError, UsageError
from ravfeat.manifest import unknown_actor
from tests.toycaches import actors_and_emotions, build_cache


@pytest.fixture(scope="module")
def cache(toy_cache):
    return ravfeat.open_cache(toy_cache)


def test_rows_classes_and_speakers_are_those_of_the_clips(cache) -> None:
    arrays = cache.arrays()
    X, y, groups, clip_ids = arrays
    assert (X.dtype, y.dtype) == (np.float32, np.int64)
    assert X.shape == (48, 3 * 2 * 4) == (len(clip_ids), len(arrays.feature_names))
    records = cache.records()
    for row, clip_id in enumerate(clip_ids[:5]):
        frames = cache[str(clip_id)].astype(np.float32)  # (T, L, D)
        expected = np.stack([frames.mean(0), frames.std(0)], axis=1)  # (L, S, D)
        np.testing.assert_allclose(X[row], expected.ravel(), rtol=1e-5, atol=1e-6)
        assert arrays.classes[y[row]] == records[clip_id].label
        assert groups[row] == records[clip_id].actor
    assert arrays.feature_names[4] == "layer 0 std 0"
    assert repr(arrays) == "<Arrays: 48 clips, 24 features, 4 classes, 6 speakers>"


def test_layers_statistics_and_clips_are_chosen(cache) -> None:
    every = cache.arrays()
    some = cache.arrays(layers=1, pool="mean", where="label in ('sad', 'happy') and actor != '01'")
    kept = np.isin(every.clip_ids, some.clip_ids)
    np.testing.assert_array_equal(some.X, every.X[kept][:, 8:12])
    assert some.classes == ("happy", "sad")
    assert {every.classes[label] for label in every.y[kept]} == {"happy", "sad"}
    assert len(set(some.groups)) == 5
    np.testing.assert_array_equal(cache.arrays(layers="0-1", pool=["mean", "std"]).X, every.X[:, :16])


def test_a_pooled_cache_gives_what_its_frames_give(cache, tmp_path) -> None:
    takes = actors_and_emotions(actors=6, repeats=2)
    pooled = build_cache(tmp_path, takes, corpus="toy", recipe=StoreRecipe(store="pooled", dtype="float32"))
    arrays = ravfeat.open_cache(pooled).arrays(pool="std", layers=[2])
    np.testing.assert_allclose(arrays.X, cache.arrays(pool="std", layers=[2]).X, rtol=1e-5, atol=1e-6)
    assert arrays.feature_names == ("layer 2 std 0", "layer 2 std 1", "layer 2 std 2", "layer 2 std 3")
    with pytest.raises(CacheError, match=r"holds pooled \['mean', 'std'\], the head needs \['max'\]"):
        ravfeat.open_cache(pooled).arrays(pool="max")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pool": "average"}, "pool: no statistic 'average'; choose from mean, std"),
        ({"pool": "mean+mean"}, "pool: expected every statistic once, got mean.mean"),
        ({"pool": []}, "pool: expected every statistic once, got none"),
        ({"pool": 3}, "pool: 3 is not a name"),
        ({"layers": 9}, "layers '9': there are 0-2, not 9"),
        ({"layers": []}, "expected layer numbers"),
        ({"where": "label == 'bored'"}, "no clip has label 'bored'"),
        ({"where": "label == 'sad' and label == 'calm'"}, "no clip of 48 is left"),
        ({"where": "mood == 'x'"}, "no column 'mood'"),
        ({"where": ["label"]}, r"where=\['label'\]: expected a text"),
    ],
)
def test_what_is_wrong_is_refused_by_name(options, message, cache) -> None:
    with pytest.raises(UsageError, match=message):
        cache.arrays(**options)


def test_unknown_speakers_are_a_warning(tmp_path) -> None:
    takes = [replace(take, actor=unknown_actor("toy", take.clip_id)) for take in actors_and_emotions(actors=2)]
    cache = ravfeat.open_cache(build_cache(tmp_path, takes, corpus="toy"))
    with pytest.warns(UserWarning, match="nobody knows who speaks in 8 of 8 clips: .* UNCHECKED"):
        arrays = cache.arrays(layers=0)
    assert len(set(arrays.groups)) == 8
