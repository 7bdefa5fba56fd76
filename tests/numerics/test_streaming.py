"""Statistics over frames that come piece by piece."""

import numpy as np
import pytest

from ravfeat.numerics.pooling import pool_frames
from ravfeat.numerics.streaming import RunningStatistics

NAMES = ("mean", "std", "speed")


@pytest.mark.parametrize("cuts", [[], [1], [3, 3, 20], list(range(1, 40))])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_they_are_those_of_the_whole_clip_however_it_is_cut(cuts, offset) -> None:
    frames = np.random.default_rng(0).normal(size=(40, 2, 3)) + offset
    running = RunningStatistics()
    for piece in np.split(frames, cuts):
        running.add(piece.astype(np.float64))
    expected = np.stack([frames.mean(0), frames.std(0), np.abs(np.diff(frames, axis=0)).mean(0)])
    np.testing.assert_allclose(running.give(NAMES), expected, rtol=1e-6)
    if not offset:
        pooled = pool_frames(frames.astype(np.float32), np.array([0, 40]), NAMES)[0].transpose(1, 0, 2)
        np.testing.assert_allclose(running.give(NAMES), pooled, rtol=1e-5, atol=1e-6)


def test_one_frame_does_not_move() -> None:
    running = RunningStatistics()
    running.add(np.array([[2.0, 3.0]]))
    np.testing.assert_array_equal(running.give(NAMES), [[2, 3], [0, 0], [0, 0]])


def test_nothing_and_the_unknown_are_refused() -> None:
    running = RunningStatistics()
    running.add(np.zeros((0, 3)))
    with pytest.raises(ValueError, match="at least one frame"):
        running.give(NAMES)
    running.add(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="'median'"):
        running.give(["mean", "median"])
