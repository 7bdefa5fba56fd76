"""Faces brought to one place, one size and upright."""

import math

import numpy as np
import pytest

from ravfeat.encoders.landmarks import LandmarkEncoder
from ravfeat.faces.similarity import EYES, SIMILARITY, eyes_apart, similarity_normalise
from ravfeat.importers.transforms import TRANSFORMS


def cloud(n_points: int, axes: int = 2, frames: int = 3) -> np.ndarray:
    return np.random.default_rng(n_points).uniform(0, 500, (frames, n_points, axes))


def moved(points: np.ndarray, *, turn: float, scale: float, shift: tuple[float, ...]) -> np.ndarray:
    turned = points.copy()
    turned[..., 0] = math.cos(turn) * points[..., 0] - math.sin(turn) * points[..., 1]
    turned[..., 1] = math.sin(turn) * points[..., 0] + math.cos(turn) * points[..., 1]
    return scale * turned + np.array(shift)


@pytest.mark.parametrize(("n_points", "axes"), [(68, 2), (478, 2), (478, 3)])
def test_eyes_come_to_rest_half_a_unit_from_the_middle(n_points, axes) -> None:
    normal = similarity_normalise(cloud(n_points, axes))
    left, right = (normal[:, list(eye)].mean(axis=1) for eye in EYES[n_points])
    np.testing.assert_allclose(left[:, :2], [[0.5, 0]] * 3, atol=1e-12)
    np.testing.assert_allclose(right[:, :2], [[-0.5, 0]] * 3, atol=1e-12)


@pytest.mark.parametrize("turn", [0.3, math.pi / 2, 3.0, -2.0])
def test_place_size_and_roll_make_no_difference(turn) -> None:
    points = cloud(68)
    other = moved(points, turn=turn, scale=2.5, shift=(-100, 40))
    np.testing.assert_allclose(similarity_normalise(other), similarity_normalise(points), atol=1e-9)


def test_a_mirrored_face_is_another_face() -> None:
    points = cloud(68)
    mirrored = points * np.array([-1, 1])
    assert np.abs(similarity_normalise(mirrored) - similarity_normalise(points)).max() > 0.1


def test_depth_is_shifted_and_scaled_like_the_rest_and_never_measured_with() -> None:
    points = cloud(478, 3)
    normal = similarity_normalise(points)
    left, right = (points[:, list(eye)].mean(axis=1) for eye in EYES[478])
    distance = np.linalg.norm((left - right)[:, :2], axis=1)
    depth = (points[..., 2] - ((left + right) / 2)[:, 2:]) / distance[:, None]
    np.testing.assert_allclose(normal[..., 2], depth)
    np.testing.assert_allclose(normal[..., :2], similarity_normalise(points[..., :2]))


def test_the_scheme_of_68_points_takes_all_six_points_of_an_eye() -> None:
    points = np.zeros((1, 68, 2))
    points[0, 42:48], points[0, 36:42] = (30, 10), (10, 10)
    points[0, 42] += (12, 6)  # moves the eye's centre by a sixth of it
    points[0, 30] = (21, 11)
    width = math.hypot(22, 1)
    expected = np.array([[22, 1], [-1, 22]]) / width @ (np.array([21, 11]) - [21, 10.5]) / width
    np.testing.assert_allclose(similarity_normalise(points)[0, 30], expected)


def test_other_points_may_be_told_which_are_the_eyes() -> None:
    points = np.array([[[0.0, 0.0], [4.0, 0.0], [2.0, 8.0]]])
    np.testing.assert_allclose(similarity_normalise(points, left_eye=[1], right_eye=[0])[0, 2], [0, 2])


def test_no_frames_give_no_frames() -> None:
    assert similarity_normalise(np.empty((0, 68, 2))).shape == (0, 68, 2)


@pytest.mark.parametrize(
    ("points", "match"),
    [
        (np.zeros((68, 2)), r"expected points of shape \(T, P, 2\) or \(T, P, 3\), got \(68, 2\)"),
        (cloud(68, 4), r"got \(3, 68, 4\)"),
        (cloud(5), r"which of 5 points are the eyes\? known for \[68, 478\]"),
        (np.concatenate([cloud(68), np.zeros((1, 68, 2))]), "the eyes of frame 3 are in one place"),
    ],
)
def test_points_without_eyes_are_refused(points, match) -> None:
    with pytest.raises(ValueError, match=match):
        similarity_normalise(points)


def test_eyes_are_apart_where_they_are_finite_and_differ_in_the_picture() -> None:
    points = np.concatenate([cloud(68), np.zeros((1, 68, 2)), np.full((1, 68, 2), np.nan)])
    assert eyes_apart(points).tolist() == [True] * 3 + [False, False]


def test_the_step_of_every_similarity_is_one_text() -> None:
    encoder = LandmarkEncoder(weights="5" * 64, steps=(), frame_rate_hz=25.0)
    assert encoder.spec.preprocessing == (SIMILARITY,) == (TRANSFORMS["similarity"].step,)
    assert SIMILARITY == "similarity: eye centre to 0, eyes 1 apart, no roll, per frame/1"
