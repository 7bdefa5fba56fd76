"""Data types of the face pipeline: detections, landmarks, and pictures with the face in each.

Conventions
-----------
Pictures are RGB, (H, W, 3) uint8, upright. Positions are in pixels of the picture, x to the right and
y down; a box is (left, top, right, bottom).
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["Detection", "Faces", "Mesh"]


@dataclass(frozen=True)
class Detection:
    """One detected face.

    Attributes
    ----------
    box : ndarray of shape (4,), float64
        May reach beyond the picture.
    confidence : float
        In [0, 1].
    """

    box: NDArray[np.float64]
    confidence: float


@dataclass(frozen=True)
class Mesh:
    """Landmarks of one face.

    Attributes
    ----------
    points : ndarray of shape (478, 3), float32
        x and y in pixels; z in the same scale, towards the camera negative.
    blendshapes : ndarray of shape (52,), float32
        Each in [0, 1], in the order of the model.
    pose : ndarray of shape (4, 4), float32
        From the canonical face to the camera.
    """

    points: NDArray[np.float32]
    blendshapes: NDArray[np.float32]
    pose: NDArray[np.float32]


@dataclass(frozen=True)
class Faces:
    """One piece of a clip: consecutive pictures and the face in each.

    Attributes
    ----------
    pictures : tuple of ndarray of shape (H, W, 3), uint8
        n pictures.
    times_s : ndarray of shape (n,), float64
        From the clip's start, rising.
    boxes : ndarray of shape (n, 4), float32
        Smoothed over time, without margin. Where no face was found, the last box; before the first
        face, a square in the middle of the picture. Empty (0, 4) without a detector.
    confidence : ndarray of shape (n,), float32
        Of the detector; 0 where no face was found. Empty without a detector.
    found : ndarray of shape (n,), bool
        Whether the detector found a face in this picture. Empty without a detector.
    meshes : tuple of Mesh or None
        Where no face was found, the last mesh; None before the first face. Empty without a landmarker.
    mesh_found : ndarray of shape (n,), bool
        Whether the landmarker found a face in this picture. Empty without a landmarker.
    n_faces : ndarray of shape (n,), int64
        Number of detected faces, of which one is tracked. Empty without a detector.
    """

    pictures: tuple[NDArray[np.uint8], ...]
    times_s: NDArray[np.float64]
    boxes: NDArray[np.float32]
    confidence: NDArray[np.float32]
    found: NDArray[np.bool_]
    meshes: tuple[Mesh | None, ...]
    mesh_found: NDArray[np.bool_]
    n_faces: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.times_s)
