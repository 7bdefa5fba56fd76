"""Features without what all clips of a corpus share."""

from dataclasses import replace

import numpy as np
import pytest

from ravfeat.errors import UsageError
from ravfeat.features.clips import ClipFeatures
from ravfeat.features.normalise import standardised, standardised_by_actor


def features(frames: np.ndarray, layers: tuple[int, ...] = (0, 1)) -> ClipFeatures:
    return ClipFeatures(frames, np.array([0, 3, len(frames)]), layers)


@pytest.fixture
def some() -> ClipFeatures:
    return features(np.random.default_rng(0).normal(5, [1, 20, 0.01], size=(9000, 2, 3)).astype(np.float32))


def test_every_layer_and_dimension_has_mean_zero_and_spread_one(some) -> None:
    found = standardised(some).frames
    expected = (some.frames - some.frames.mean(0, np.float64)) / some.frames.std(0, dtype=np.float64)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_scale_and_a_shift_of_every_dimension_are_gone(some) -> None:
    moved = replace(some, frames=some.frames * np.float32([2, 0.5, 300]) + np.float32([-70, 4, 0]))
    np.testing.assert_allclose(standardised(moved).frames, standardised(some).frames, atol=2e-3)


def test_what_never_varies_becomes_zero_and_not_noise(some) -> None:
    frames = some.frames.copy()
    frames[:, 1, 2] = 0.1  # no float32 sum of it is exact
    found = standardised(replace(some, frames=frames)).frames
    assert (found[:, 1, 2] == 0).all()
    assert np.isfinite(found).all()


def test_a_lonely_outlier_stays_within_float16() -> None:
    frames = np.zeros((20_000, 1, 1), np.float16)
    frames[7] = 60_000
    found = standardised(features(frames, (0,))).frames
    assert found.dtype == np.float16
    assert np.isfinite(found).all()
    assert found.max() == pytest.approx(np.sqrt(19_999), rel=1e-3)


def test_one_clip_alone_is_all_there_is_to_know_of_its_corpus() -> None:
    assert (standardised(ClipFeatures(np.ones((1, 2, 3), np.float32), np.array([0, 1]), (0, 1))).frames == 0).all()


@pytest.fixture
def people() -> tuple[ClipFeatures, list[str]]:
    """Six clips of three actors, whose voices lie and spread elsewhere, in no order."""
    rng, lengths, actors = np.random.default_rng(1), [5, 3000, 7, 2, 1, 9000], ["b", "a", "c", "a", "b", "c"]
    place = {"a": (3, 1), "b": (-50, 20), "c": (0, 0.01)}
    clips = [rng.normal(*place[actor], size=(n, 2, 3)) for actor, n in zip(actors, lengths, strict=True)]
    frames = np.concatenate(clips).astype(np.float32)
    return ClipFeatures(frames, np.cumsum([0, *lengths]), (0, 1)), actors


def test_each_actor_has_mean_zero_and_spread_one_over_all_their_frames(people) -> None:
    some, actors = people
    found = standardised_by_actor(some, actors)
    owner = np.repeat(np.array(actors), np.diff(some.offsets))
    for actor in "abc":
        frames = some.frames[owner == actor].astype(np.float64)
        expected = (frames - frames.mean(0)) / frames.std(0)
        np.testing.assert_allclose(found.frames[owner == actor], expected, atol=2e-3)
    assert (found.offsets == some.offsets).all()


def test_other_actors_do_not_matter_and_nor_does_the_order(people) -> None:
    some, actors = people
    found = standardised_by_actor(some, actors)
    frames = some.frames.copy()
    frames[:5] *= 1000  # of b
    other = standardised_by_actor(replace(some, frames=frames), actors)
    owner = np.repeat(np.array(actors), np.diff(some.offsets))
    np.testing.assert_array_equal(found.frames[owner != "b"], other.frames[owner != "b"])
    assert (found.frames[owner == "b"] != other.frames[owner == "b"]).any()


def test_every_stream_is_standardised_by_itself(people) -> None:
    some, actors = people
    also = replace(some, frames=some.frames * 7 + 1)
    found = standardised_by_actor(replace(some, also=(also,)), actors)
    np.testing.assert_allclose(found.also[0].frames, found.frames, atol=5e-3)


def test_an_actor_with_a_single_clip_is_refused_by_name(people) -> None:
    some, _ = people
    with pytest.raises(UsageError, match=r"--normalise actor .* and c, d have a single one, .* leave these clips out"):
        standardised_by_actor(some, ["a", "a", "c", "b", "b", "d"])
