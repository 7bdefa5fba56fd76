"""Statistics of a part of a clip."""

import numpy as np
import pytest

from ravfeat.errors import RavfeatError
from ravfeat.numerics.parts import active_frames, is_statistic, of_parts, pool_parts, reads_active
from ravfeat.numerics.pooling import pool_block

NAMES = ("mean", "max", "speed")


@pytest.fixture(scope="module")
def block() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, 20, 3)).astype(np.float16)


def test_statistics_of_a_part_are_those_of_its_frames_alone(block) -> None:
    pooled = pool_parts(block, of_parts(NAMES, ("whole", "active")), (0.26, 0.5))
    np.testing.assert_array_equal(pooled[:, :3], pool_block(block, NAMES))
    np.testing.assert_array_equal(pooled[:, 3:], pool_block(block[:, 5:10], NAMES))


def test_names_may_come_in_any_order(block) -> None:
    pooled = pool_parts(block, ("active:max", "mean", "active:mean"), (0.5, 1.0))
    np.testing.assert_array_equal(pooled[:, [2, 0]], pool_block(block[:, 10:], ("mean", "max")))
    np.testing.assert_array_equal(pooled[:, 1], pool_block(block, ("mean",))[:, 0])


def test_what_lies_outside_the_part_changes_nothing_of_it(block) -> None:
    other = block.copy()
    other[:, :5] = 99
    other[:, 10:] = -99
    names = of_parts(NAMES, ("active",))
    np.testing.assert_array_equal(pool_parts(block, names, (0.25, 0.5)), pool_parts(other, names, (0.25, 0.5)))


@pytest.mark.parametrize(
    ("active", "n_frames", "first", "stop"),
    [
        ((0.0, 1.0), 7, 0, 7),
        ((0.26, 0.5), 10, 2, 5),
        ((0.999, 1.0), 3, 2, 3),
        ((0.5, 0.5000001), 10, 5, 6),
        ((0.2, 0.4), 1, 0, 1),
        ((np.nextafter(1, 0), 1.0), 3, 2, 3),
    ],
)
def test_a_part_has_all_frames_that_it_touches_and_at_least_one(active, n_frames, first, stop) -> None:
    assert active_frames(active, n_frames) == slice(first, stop)


def test_a_clip_of_one_frame_is_its_own_part(block) -> None:
    pooled = pool_parts(block[:, :1], of_parts(NAMES, ("whole", "active")), (0.2, 0.3))
    np.testing.assert_array_equal(pooled[:, :3], pooled[:, 3:])


def test_the_whole_needs_no_part_and_the_part_does(block) -> None:
    np.testing.assert_array_equal(pool_parts(block, NAMES), pool_block(block, NAMES))
    with pytest.raises(RavfeatError, match="active:mean: where a clip's speech begins and ends is not known here"):
        pool_parts(block, ("active:mean",))


def test_names_of_parts_are_told_from_others() -> None:
    assert of_parts(("mean", "std"), ("active",)) == ("active:mean", "active:std")
    assert (reads_active(("mean", "active:std")), reads_active(("mean",))) == (True, False)
    assert [is_statistic(name) for name in ("q10", "active:q10", "active:", "loud", "whole:mean")] == [
        True, True, False, False, False,
    ]  # fmt: skip
