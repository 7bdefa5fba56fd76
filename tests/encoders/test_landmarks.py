"""Landmarks as features."""

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from ravfeat.encoders.landmarks import DIM, FACE_VECTORS, LandmarkEncoder, rotation_vector
from ravfeat.errors import ClipError
from ravfeat.faces.geometry import GEOMETRY, GEOMETRY_NAMES, face_geometry
from ravfeat.faces.similarity import similarity_normalise
from tests.toyfaces import mesh_of, with_meshes

POSED = replace(mesh_of(3), pose=np.array([[0, -2, 0, 1], [2, 0, 0, 2], [0, 0, 2, -40], [0, 0, 0, 1]], np.float32))


@pytest.fixture
def encoder() -> LandmarkEncoder:
    return LandmarkEncoder(weights="5" * 64, steps=("meshes/1",), frame_rate_hz=25.0)


def test_numbers_stand_in_the_documented_order(encoder) -> None:
    clip = encoder.prepare(with_meshes([POSED], [True]))
    (states,) = encoder.encode([clip])
    assert states.shape == (1, 1, DIM) == (1, encoder.spec.n_layers, encoder.spec.dim)
    assert states.dtype == np.float32
    row = states[0, 0]
    np.testing.assert_allclose(row[:1434].reshape(478, 3), similarity_normalise(POSED.points[None])[0], rtol=1e-6)
    np.testing.assert_array_equal(row[1434:1486], POSED.blendshapes)
    np.testing.assert_allclose(row[1486:], [0, 0, math.pi / 2, 1, 2, -40], atol=1e-6)


def test_geometry_is_measured_in_the_same_meshes_and_is_something_else(encoder) -> None:
    geometry = LandmarkEncoder("face-geometry", weights="5" * 64, steps=("meshes/1",), frame_rate_hz=25.0)
    (states,) = geometry.encode([geometry.prepare(with_meshes([POSED, mesh_of(1)], [True, False]))])
    assert states.shape == (2, 1, len(GEOMETRY_NAMES)) == (2, geometry.spec.n_layers, geometry.spec.dim)
    np.testing.assert_array_equal(states[0, 0], face_geometry(POSED.points[None])[0])
    assert geometry.spec.preprocessing == ("meshes/1", GEOMETRY)
    assert geometry.spec.identity() != encoder.spec.identity()


def test_a_picture_before_the_first_face_gives_no_frame_and_its_time_none_either(encoder) -> None:
    faces = with_meshes([None, None, mesh_of(1), mesh_of(1), mesh_of(2)], [False, False, True, False, True])
    clip = encoder.prepare(faces)
    assert clip.n_frames == len(clip.values) == 3
    np.testing.assert_array_equal(clip.times_s, faces.times_s[2:])
    np.testing.assert_array_equal(clip.columns["found"], [1, 0, 1])
    np.testing.assert_array_equal(clip.columns["confidence"], [1, 0, 1])


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"points": np.ones((478, 3), np.float32)}, "both eyes in one place"),
        ({"points": np.full((478, 3), np.nan, np.float32)}, "numbers that are not finite"),
        ({"pose": np.full((4, 4), np.nan, np.float32)}, "numbers that are not finite"),
        ({"blendshapes": np.full(52, np.inf, np.float32)}, "numbers that are not finite"),
    ],
)
def test_a_broken_mesh_fails_its_clip_and_names_the_time_of_the_picture(changes, match) -> None:
    faces = with_meshes([None, mesh_of(), replace(mesh_of(), **changes)], [False, True, True])
    for name in FACE_VECTORS:
        encoder = LandmarkEncoder(name, weights="5" * 64, steps=("meshes/1",), frame_rate_hz=25.0)
        with pytest.raises(ClipError, match=rf"the landmarks of the picture at {faces.times_s[2]:.3f} s have {match}"):
            encoder.prepare(faces)


@pytest.mark.parametrize("name", FACE_VECTORS)
def test_a_piece_without_any_face_is_empty(name) -> None:
    encoder = LandmarkEncoder(name, weights="5" * 64, steps=("meshes/1",), frame_rate_hz=25.0)
    clip = encoder.prepare(with_meshes([None, None], [False, False]))
    assert clip.n_frames == 0
    assert clip.columns["box"].shape == (0, 4)
    assert encoder.encode([clip])[0].shape == (0, 1, encoder.spec.dim)


def test_the_box_is_what_the_points_reach_over(encoder) -> None:
    mesh = mesh_of()
    (box,) = encoder.prepare(with_meshes([mesh], [True])).columns["box"]
    x, y = mesh.points[:, 0], mesh.points[:, 1]
    np.testing.assert_array_equal(box, [x.min(), y.min(), x.max(), y.max()])


def test_columns_are_float32(encoder) -> None:
    columns = encoder.prepare(with_meshes([mesh_of()], [True])).columns
    assert {name: (values.dtype, values.shape) for name, values in columns.items()} == {
        "box": (np.float32, (1, 4)),
        "confidence": (np.float32, (1,)),
        "found": (np.float32, (1,)),
    }


def test_the_landmarker_is_the_weights_and_the_meshes_are_part_of_the_identity(encoder) -> None:
    assert encoder.needs == {"landmarker"}
    identity = encoder.spec.identity()
    assert identity["weights"] == "5" * 64
    assert identity["preprocessing"][0] == "meshes/1"


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-4, 1.0, math.pi / 2, 3.0, math.pi - 1e-9, math.pi])
@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 0, 1), (0.6, 0, 0.8), (-0.48, 0.6, 0.64), (-0.6, -0.64, 0.48)])
def test_a_rotation_is_its_axis_times_its_angle(axis, angle) -> None:
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    matrix = np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
    vector = rotation_vector(1.7 * matrix)
    if angle == math.pi and np.dot(vector, axis) < 0:
        vector = -vector  # half a turn is the same both ways
    np.testing.assert_allclose(vector, angle * np.array(axis), atol=1e-7)


def test_landmarks_need_no_torch() -> None:
    code = "import sys, ravfeat.encoders.landmarks; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
