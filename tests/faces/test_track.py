"""One face over time: chosen among several, smoothed, and what stands in."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from ravfeat.faces.base import Detection
from ravfeat.faces.track import SMOOTHING_S, TRACKING, FaceTrack, overlap

SHAPE = (360, 640)


def square(x: float, y: float, side: float = 100.0, confidence: float = 0.9) -> Detection:
    return Detection(np.array([x, y, x + side, y + side]), confidence)


def boxes(*pictures: list[Detection], step_s: float = 0.04) -> list[list[float]]:
    track = FaceTrack()
    return [track.follow(found, n * step_s, SHAPE).box.tolist() for n, found in enumerate(pictures)]


def test_the_overlap_is_intersection_over_union() -> None:
    one = np.array([0.0, 0, 10, 10])
    assert overlap(one, one) == 1
    assert overlap(one, np.array([5.0, 0, 15, 10])) == pytest.approx(50 / 150)
    assert overlap(one, np.array([10.0, 0, 20, 10])) == 0
    assert overlap(one, np.array([20.0, 20, 30, 30])) == 0


def test_at_first_the_largest_face_is_taken_then_the_nearest() -> None:
    small, large = square(50, 50, 60), square(300, 100, 100)
    assert boxes([small, large])[0] == large.box.tolist()
    grown, same = square(40, 40, 200), square(300, 100, 100)
    assert boxes([large], [grown, same])[1] == large.box.tolist()


def test_where_no_face_overlaps_the_largest_is_taken() -> None:
    assert boxes([square(0, 0)], [square(300, 200, 50), square(400, 100, 80)])[1] == square(400, 100, 80).box.tolist()


def test_the_most_certain_face_has_no_precedence() -> None:
    track = FaceTrack()
    followed = track.follow([square(0, 0, 50, 0.99), square(200, 0, 100, 0.6)], 0.0, SHAPE)
    assert (followed.confidence, followed.found) == (0.6, True)


@pytest.mark.parametrize("step_s", [0.01, 0.04, 0.5])
def test_a_step_is_followed_with_the_time_constant_whatever_the_rate(step_s: float) -> None:
    n = round(0.5 / step_s)
    lefts = [box[0] for box in boxes([square(100, 100)], *[[square(120, 100)]] * n, step_s=step_s)]
    expected = [120 - 20 * math.exp(-k * step_s / SMOOTHING_S) for k in range(n + 1)]
    np.testing.assert_allclose(lefts, expected)


def test_smoothing_never_looks_ahead() -> None:
    start = [[square(100 + n, 100)] for n in range(5)]
    assert boxes(*start, [square(200, 100)])[:5] == boxes(*start, [])[:5]


def test_a_jump_starts_smoothing_anew() -> None:
    assert boxes([square(0, 0)], [square(300, 200)])[1] == square(300, 200).box.tolist()


def test_smoothing_starts_anew_after_pictures_without_a_face() -> None:
    assert boxes([square(100, 100)], [], [square(120, 100)])[2] == square(120, 100).box.tolist()


def test_without_a_face_the_last_box_stands_in() -> None:
    track = FaceTrack()
    track.follow([square(100, 100)], 0.0, SHAPE)
    last = track.follow([square(110, 100)], 0.04, SHAPE)
    empty = track.follow([], 0.08, SHAPE)
    np.testing.assert_array_equal(empty.box, last.box)
    assert (empty.confidence, empty.found) == (0.0, False)


@pytest.mark.parametrize(
    ("shape", "box"), [((360, 640), [140, 0, 500, 360]), ((640, 360), [0, 140, 360, 500]), ((3, 6), [1.5, 0, 4.5, 3])]
)
def test_before_the_first_face_a_square_in_the_middle_stands_in(shape: tuple[int, int], box: list[float]) -> None:
    followed = FaceTrack().follow([], 0.0, shape)
    assert followed.box.tolist() == box
    assert not followed.found


def test_a_new_picture_size_starts_the_track_anew() -> None:
    track = FaceTrack()
    track.follow([square(100, 100)], 0.0, SHAPE)
    assert track.follow([], 0.04, (100, 100)).box.tolist() == [0, 0, 100, 100]


def test_boxes_given_out_do_not_change_afterwards() -> None:
    track = FaceTrack()
    given: list[NDArray[np.float64]] = [track.follow([square(100 + n, 100)], n * 0.04, SHAPE).box for n in range(3)]
    before = [box.copy() for box in given]
    track.follow([square(150, 150)], 0.2, SHAPE)
    np.testing.assert_array_equal(given, before)


def test_the_recipe_names_the_time_constant() -> None:
    assert TRACKING == "largest face then most overlap, smoothed 0.1 s/1"
