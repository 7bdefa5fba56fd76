"""Facial landmarks as features: shape of the face, blendshapes, and head pose; or distances between landmarks.

Conventions
-----------
``face-geometry`` is one layer of 36 numbers, see `ravfeat.faces.geometry`. ``landmarks`` is one layer of 1492 numbers,
in this order:

=============  ==================================================================================
0 … 1433       x, y, z of the 478 points of MediaPipe's mesh, point by point, similarity-normalised
               (see `ravfeat.faces.similarity`): place, size and roll are gone
1434 … 1485    52 blendshapes in [0, 1], in the order of the model
1486 … 1488    the head's rotation from the canonical face to the camera: axis times angle in radians
1489 … 1491    its translation, in centimetres: x to the right, y up, z towards the camera
=============  ==================================================================================

Place, size and roll are thus stored separately from the shape, in the last six numbers. Pictures before the first
face give no frame; where no face is found later on, the last landmarks are repeated and ``found`` is 0. The
landmarker returns no confidence: 1 where it found a face, else 0. The box is the bounding box of the points.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.encoders.base import Batching, EncoderInput, EncoderSpec
from ravfeat.errors import ClipError
from ravfeat.faces.base import Faces, Mesh
from ravfeat.faces.geometry import GEOMETRY, GEOMETRY_NAMES, face_geometry, geometry_usable
from ravfeat.faces.similarity import SIMILARITY, eyes_apart, similarity_normalise

__all__ = ["FACE_VECTORS", "FaceVector", "LandmarkEncoder", "rotation_vector"]

N_POINTS = 478
N_BLENDSHAPES = 52
DIM = N_POINTS * 3 + N_BLENDSHAPES + 6


@dataclass(frozen=True)
class FaceVector:
    """What is made of a mesh.

    Attributes
    ----------
    layer_convention, step : str
        Names and versions of the numbers' order and of the computation; part of the identity.
    dim : int
    make : callable
        n meshes → (n, dim), float32.
    usable : callable
        For points (1, 478, 3): whether their eyes are apart.
    """

    layer_convention: str
    step: str
    dim: int
    make: Callable[[Sequence[Mesh]], NDArray[np.float32]]
    usable: Callable[[NDArray[Any]], NDArray[np.bool_]]


class LandmarkEncoder:
    """Features from MediaPipe's face landmarker; no further weights.

    Parameters
    ----------
    name : {"landmarks", "face-geometry"}
        Which of `FACE_VECTORS`.
    weights : str
        SHA-256 of the landmarker's model.
    steps : tuple of str
        Steps that determine the meshes.
    frame_rate_hz : float
        Nominal.
    """

    batching: Batching = "pieces"
    needs = frozenset({"landmarker"})

    def __init__(self, name: str = "landmarks", *, weights: str, steps: tuple[str, ...], frame_rate_hz: float) -> None:
        self._vector = FACE_VECTORS[name]
        self.spec = EncoderSpec(
            name=name,
            stream="face",
            weights=weights,
            layer_convention=self._vector.layer_convention,
            preprocessing=(*steps, self._vector.step),
            n_layers=1,
            dim=self._vector.dim,
            frame_rate_hz=frame_rate_hz,
        )

    def prepare(self, faces: Faces) -> EncoderInput:
        """Compute the feature vector of every picture with a mesh.

        Raises
        ------
        ClipError
            Where the mesh of a picture is degenerate: numbers that are not finite, both eyes in one place.
        """
        rows = [row for row, mesh in enumerate(faces.meshes) if mesh is not None]
        meshes = [mesh for mesh in faces.meshes if mesh is not None]
        _check(meshes, faces.times_s[rows], self._vector.usable)
        found = faces.mesh_found[rows].astype(np.float32)
        columns = {"box": _boxes(meshes), "confidence": found, "found": found}
        return EncoderInput(self._vector.make(meshes), faces.times_s[rows], columns)

    def encode(self, batch: Sequence[EncoderInput]) -> list[NDArray[np.float32]]:
        """Return the prepared vectors as one layer."""
        return [piece.values[:, None] for piece in batch]  # (T, D) -> (T, 1, D)

    def provenance(self) -> dict[str, Any]:
        """Return the numpy version; the source records the landmarker."""
        return {"device": "cpu", "numpy": np.__version__}


def _check(
    meshes: Sequence[Mesh], times_s: NDArray[np.float64], usable: Callable[[NDArray[Any]], NDArray[np.bool_]]
) -> None:
    for mesh, time_s in zip(meshes, times_s, strict=True):
        if not all(np.isfinite(values).all() for values in (mesh.points, mesh.blendshapes, mesh.pose)):
            wrong = "numbers that are not finite"
        elif not usable(mesh.points[None]).all():
            wrong = "both eyes in one place"
        else:
            continue
        raise ClipError(f"the landmarks of the picture at {time_s:.3f} s have {wrong}; leave the clip out, or cut it")


def _landmarks(meshes: Sequence[Mesh]) -> NDArray[np.float32]:
    features = np.empty((len(meshes), DIM), np.float32)
    if meshes:
        points = similarity_normalise(np.stack([mesh.points for mesh in meshes]))
        features[:, : N_POINTS * 3] = points.reshape(len(meshes), -1)
        features[:, N_POINTS * 3 : -6] = [mesh.blendshapes for mesh in meshes]
        features[:, -6:-3] = [rotation_vector(mesh.pose[:3, :3]) for mesh in meshes]
        features[:, -3:] = [mesh.pose[:3, 3] for mesh in meshes]
    return features


def _geometry(meshes: Sequence[Mesh]) -> NDArray[np.float32]:
    return face_geometry(np.array([mesh.points for mesh in meshes]).reshape(-1, N_POINTS, 3))


FACE_VECTORS: Mapping[str, FaceVector] = {
    "landmarks": FaceVector(
        "478 points x y z, 52 blendshapes, rotation vector, translation/1", SIMILARITY, DIM, _landmarks, eyes_apart
    ),
    "face-geometry": FaceVector(
        "34 log distances, right and left height of the mouth's corners/1",
        GEOMETRY,
        len(GEOMETRY_NAMES),
        _geometry,
        geometry_usable,
    ),
}
"""By the name of the encoder."""


def _boxes(meshes: Sequence[Mesh]) -> NDArray[np.float32]:
    boxes = [(*mesh.points[:, :2].min(axis=0), *mesh.points[:, :2].max(axis=0)) for mesh in meshes]
    return np.array(boxes, dtype=np.float32).reshape(-1, 4)


def rotation_vector(matrix: NDArray[Any]) -> NDArray[np.float64]:
    """Convert a rotation matrix to axis times angle.

    Parameters
    ----------
    matrix : ndarray of shape (3, 3)
        A rotation, up to a positive scale and small errors: the nearest rotation is used.

    Returns
    -------
    ndarray of shape (3,), float64
        Its length is the angle, in [0, pi] radians.
    """
    # The determinant keeps it a rotation: the nearest orthogonal matrix may be a reflection.
    u, _, v = np.linalg.svd(matrix.astype(np.float64))
    rotation = u @ np.diag([1.0, 1.0, np.linalg.det(u @ v)]) @ v
    # Unit quaternion (w, q). Each row of this matrix is the quaternion times four times one of its entries; the row
    # with the largest entry is used, so that the division is numerically stable.
    r = rotation
    rows = np.array(
        [
            [1 + np.trace(r), r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]],
            [r[2, 1] - r[1, 2], 1 + r[0, 0] - r[1, 1] - r[2, 2], r[0, 1] + r[1, 0], r[0, 2] + r[2, 0]],
            [r[0, 2] - r[2, 0], r[0, 1] + r[1, 0], 1 + r[1, 1] - r[0, 0] - r[2, 2], r[1, 2] + r[2, 1]],
            [r[1, 0] - r[0, 1], r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], 1 + r[2, 2] - r[0, 0] - r[1, 1]],
        ]
    )
    quaternion: NDArray[np.float64] = rows[np.argmax(np.diag(rows))]
    quaternion /= np.linalg.norm(quaternion) * (-1 if quaternion[0] < 0 else 1)
    sine = np.linalg.norm(quaternion[1:])
    # At small angles the sine is the angle, and dividing by it would not be stable.
    if sine < 1e-12:
        return np.asarray(2 * quaternion[1:])
    return np.asarray(quaternion[1:] / sine * 2 * np.arctan2(sine, quaternion[0]))
