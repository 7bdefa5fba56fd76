"""Features without what all clips of a corpus share."""

from dataclasses import replace

import numpy as np
import pytest

from ravfeat.crosscorpus.normalise import stacked, standardised
from ravfeat.errors import HeadError
from ravfeat.features.clips import ClipFeatures


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


def test_clips_of_two_corpora_come_one_after_the_other(some) -> None:
    other = features(np.ones((5, 2, 3), np.float32))
    found = stacked(some, other)
    assert len(found) == 4
    assert found.offsets.tolist() == [0, 3, 9000, 9003, 9005]
    assert (found.frames[9000:] == 1).all()


def test_features_that_were_not_read_alike_do_not_stack(some) -> None:
    with pytest.raises(HeadError, match=r"features of two corpora must be read alike .*, got \(\(0, 1\), .*\(0, 2\)"):
        stacked(some, features(np.ones((5, 2, 3), np.float32), (0, 2)))
