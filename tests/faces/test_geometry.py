"""Distances in a face."""

import math

import numpy as np
import pytest

from ravfeat.faces.geometry import (
    DISTANCES,
    GEOMETRY_NAMES,
    MESH_TO_68,
    face_geometry,
    geometry_usable,
    in_68_points,
)

FLOOR = 0.2

MIRRORED = (
    *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1),
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65,
)  # fmt: skip
"""The point of the same name on the other side of the face, in the scheme of 68."""


def face(n: int = 3, seed: int = 0) -> np.ndarray:
    """Clouds of 68 points with their eyes apart, eyes level."""
    points = np.random.default_rng(seed).uniform(0, 300, (n, 68, 2))
    points[:, 36:42], points[:, 42:48] = points[:, 36:42] / 10 + (50, 100), points[:, 42:48] / 10 + (250, 100)
    return points


def numbers(points: np.ndarray) -> dict[str, float]:
    return dict(zip(GEOMETRY_NAMES, face_geometry(points)[0].tolist(), strict=True))


def test_there_are_34_distances_and_two_heights_all_different() -> None:
    assert (len(DISTANCES), len(GEOMETRY_NAMES), len(set(GEOMETRY_NAMES))) == (34, 36, 36)
    assert len({frozenset(pair) for pair in DISTANCES.values()}) == 34
    assert face_geometry(face()).shape == (3, 36)
    assert face_geometry(face()).dtype == np.float32
    assert face_geometry(np.empty((0, 68, 2))).shape == (0, 36)


@pytest.mark.parametrize("turn", [0.0, 0.4, -2.0])
def test_place_size_and_roll_make_no_difference(turn: float) -> None:
    points = face()
    turned = points @ np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    np.testing.assert_allclose(face_geometry(4 * turned + (100, -30)), face_geometry(points), atol=1e-5)


def test_a_mirrored_face_has_left_and_right_exchanged_and_nothing_else() -> None:
    points = face(1)
    one, other = numbers(points), numbers((points * (-1, 1))[:, MIRRORED])
    for name, value in one.items():
        swapped = name.replace("left", "?").replace("right", "left").replace("?", "right")
        assert other[swapped] == pytest.approx(value, abs=1e-5), name


@pytest.mark.parametrize("name", DISTANCES)
def test_a_distance_is_that_of_its_points_in_distances_of_the_eyes(name: str) -> None:
    points = face(1)
    first, second = (points[0, point] for point in DISTANCES[name])
    eyes = np.linalg.norm(points[0, 42:48].mean(0) - points[0, 36:42].mean(0))
    assert numbers(points)[name] == pytest.approx(
        math.log(math.hypot(math.dist(first, second) / eyes, FLOOR)), abs=1e-5
    )


def test_a_corner_that_is_pulled_up_is_higher_and_the_other_is_not() -> None:
    points = face(1)
    raised = points.copy()
    raised[0, 54, 1] -= 20
    eyes = np.linalg.norm(points[0, 42:48].mean(0) - points[0, 36:42].mean(0))
    assert numbers(raised)["left_corner_height"] - numbers(points)["left_corner_height"] == pytest.approx(
        20 / eyes, abs=2e-3
    )
    assert numbers(raised)["right_corner_height"] == numbers(points)["right_corner_height"]


def test_lips_that_touch_are_finite_and_hardly_tell_one_pixel_from_none() -> None:
    points = face(1)
    points[0, 66] = points[0, 62]
    closed = numbers(points)["mouth_opening"]
    assert closed == pytest.approx(math.log(FLOOR), abs=1e-6)
    points[0, 66] += (0, 2)  # the eyes are 200 apart: a tracker's error
    assert numbers(points)["mouth_opening"] - closed < 0.002


def test_depth_is_not_measured() -> None:
    points = face()
    deep = np.concatenate([points, np.random.default_rng(1).normal(size=(3, 68, 1))], axis=2)
    np.testing.assert_array_equal(face_geometry(deep), face_geometry(points))


@pytest.mark.parametrize("axes", [2, 3])
def test_a_mesh_is_measured_at_the_points_that_stand_for_the_68(axes: int) -> None:
    points = face()[0]
    mesh = np.full((1, 478, axes), 7.0)
    for point, places in zip(points, MESH_TO_68, strict=True):
        mesh[0, list(places), :2] = point
    # Two points of the jaw share a point of the mesh, and lie between it and another; none of them is measured.
    used = sorted({point for pair in DISTANCES.values() for point in pair})
    np.testing.assert_allclose(in_68_points(mesh)[0][used, :2], points[used])
    np.testing.assert_allclose(face_geometry(mesh), face_geometry(points[None]), atol=1e-6)


def test_frames_with_both_eyes_in_one_place_are_not_usable() -> None:
    points = face(2)
    points[1, 36:48] = 5.0
    assert geometry_usable(points).tolist() == [True, False]
    assert not geometry_usable(np.full((1, 478, 3), 2.0)).any()
    with pytest.raises(ValueError, match="the eyes of frame 1 are in one place"):
        face_geometry(points)
