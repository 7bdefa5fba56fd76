"""Read MediaPipe's landmarks as arrays, without a Python object for each point.

MediaPipe makes 530 objects for every picture. That takes 2 ms in which no other Python thread runs, so that no more
than ten readers could work at the same time. The same memory is therefore read in one block. MediaPipe does not
document the names that this needs; where a version lacks them, its objects are used.
"""

import ctypes
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LandmarkArrays", "detect_landmarks", "detect_landmarks_natively"]

_STRUCTURE = "FaceLandmarkerResultC"


@dataclass(frozen=True)
class LandmarkArrays:
    """Landmarks of one face, as MediaPipe gives them.

    Attributes
    ----------
    points : ndarray of shape (478, 3), float32
        x and z in widths of the picture, y in heights.
    blendshapes : ndarray of shape (52,), float32
    pose : ndarray of shape (4, 4), float32
    """

    points: NDArray[np.float32]
    blendshapes: NDArray[np.float32]
    pose: NDArray[np.float32]


def detect_landmarks(task: Any, image: Any, time_ms: int) -> LandmarkArrays | None:
    """Detect the landmarks of the first face; None where there is no face.

    Parameters
    ----------
    task : mediapipe.tasks.python.vision.FaceLandmarker
    image : mediapipe.Image
    time_ms : int

    Raises
    ------
    RuntimeError, ValueError
        As ``task.detect_for_video``.
    """
    if hasattr(sys.modules[type(task).__module__], _STRUCTURE) and hasattr(task, "_lib") and hasattr(task, "_handle"):
        return detect_landmarks_natively(task, image, time_ms)
    result = task.detect_for_video(image, time_ms)
    if not result.face_landmarks:
        return None
    return LandmarkArrays(
        np.array([(point.x, point.y, point.z) for point in result.face_landmarks[0]], np.float32),
        np.array([shape.score for shape in result.face_blendshapes[0]], np.float32),
        np.asarray(result.facial_transformation_matrixes[0], np.float32),
    )


def detect_landmarks_natively(task: Any, image: Any, time_ms: int) -> LandmarkArrays | None:
    """Detect landmarks through MediaPipe's C interface; see `detect_landmarks`."""
    result = getattr(sys.modules[type(task).__module__], _STRUCTURE)()
    task._lib.MpFaceLandmarkerDetectForVideo(task._handle, image._image_ptr, None, time_ms, ctypes.byref(result))
    # MediaPipe frees the structures in `finally`: what is returned must be copies.
    try:
        if not result.face_landmarks_count:
            return None
        points, shapes = result.face_landmarks[0], result.face_blendshapes[0]
        return LandmarkArrays(
            _fields(points.landmarks, points.landmarks_count, "x", "y", "z"),
            _fields(shapes.categories, shapes.categories_count, "score")[:, 0],
            np.asarray(result.facial_transformation_matrixes[0].to_numpy(), np.float32),
        )
    finally:
        task._lib.MpFaceLandmarkerCloseResult(ctypes.byref(result))


def _fields(structures: Any, count: int, *names: str) -> NDArray[np.float32]:
    """Copy float fields of an array of C structures; the result has shape (count, len(names))."""
    kind = type(structures.contents)
    size = ctypes.sizeof(kind)
    offsets = [getattr(kind, name).offset for name in names]
    layout = np.dtype({"names": names, "formats": [np.float32] * len(names), "offsets": offsets, "itemsize": size})
    rows = np.frombuffer(ctypes.string_at(structures, count * size), layout)
    return np.stack([rows[name] for name in names], axis=1)
