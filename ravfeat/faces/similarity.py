"""Similarity-normalise landmarks: remove place, size and roll; keep the shape of the face.

Conventions
-----------
Points are (T, P, 2) or (T, P, 3): x to the right, y down, z in the same scale. Frames are independent.
Left and right are the person's own, so the left eye has the larger x in an upright picture.
An eye's centre is the mean of its points: all six in the scheme of 68 points (Sagonas et al. 2013), the
two corners in MediaPipe's mesh of 478, whose lids and irises move with the gaze.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["EYES", "SIMILARITY", "eyes_apart", "similarity_normalise"]

SIMILARITY = "similarity: eye centre to 0, eyes 1 apart, no roll, per frame/1"
"""Name and version of `similarity_normalise`; part of the identity of features made with it."""

EYES: Mapping[int, tuple[tuple[int, ...], tuple[int, ...]]] = {
    68: (tuple(range(42, 48)), tuple(range(36, 42))),
    478: ((362, 263), (33, 133)),
}
"""Number of points → indices of the left eye, indices of the right eye."""


def eyes_apart(points: NDArray[Any]) -> NDArray[np.bool_]:
    """Test which frames can be normalised: eyes finite, and at different places in the plane of the picture.

    Parameters
    ----------
    points : ndarray of shape (T, 68 or 478, 2 or 3)

    Returns
    -------
    ndarray of shape (T,), bool
    """
    left, right = map(list, EYES[points.shape[1]])
    flat: NDArray[np.float64] = points[..., :2].astype(np.float64)  # roll is an angle in the picture
    across, down = (flat[:, left].mean(axis=1) - flat[:, right].mean(axis=1)).T
    distance = np.hypot(across, down)
    # NaN is not greater than 0; infinite points are refused too.
    return np.asarray((distance > 0) & np.isfinite(distance))


def similarity_normalise(
    points: NDArray[Any], left_eye: Sequence[int] | None = None, right_eye: Sequence[int] | None = None
) -> NDArray[np.float64]:
    """Shift the midpoint of the eyes to 0, scale their distance to 1, rotate their line to the horizontal.

    Parameters
    ----------
    points : ndarray of shape (T, P, 2) or (T, P, 3)
    left_eye, right_eye : sequence of int, optional
        Indices of the eyes' points; by default those of the 68-point scheme and of MediaPipe's mesh.

    Returns
    -------
    ndarray of the shape of `points`, float64
        Left eye at (0.5, 0), right eye at (-0.5, 0). Distance and roll are measured in the plane of the
        picture; z is shifted by the eyes' midpoint and scaled alike.

    Raises
    ------
    ValueError
        For other shapes, and where the eyes of a frame are in one place.

    Examples
    --------
    >>> face = np.array([[[10.0, 10.0], [10.0, 30.0], [0.0, 20.0]]])  # the head lies on its side
    >>> similarity_normalise(face, left_eye=[1], right_eye=[0])[0, 2]
    array([0. , 0.5])
    """
    if points.ndim != 3 or points.shape[2] not in {2, 3}:
        raise ValueError(f"expected points of shape (T, P, 2) or (T, P, 3), got {points.shape}")
    if left_eye is None or right_eye is None:
        if points.shape[1] not in EYES:
            raise ValueError(f"which of {points.shape[1]} points are the eyes? known for {sorted(EYES)}")
        left_eye, right_eye = EYES[points.shape[1]]
    wide: NDArray[np.float64] = points.astype(np.float64)
    left, right = wide[:, list(left_eye)].mean(axis=1), wide[:, list(right_eye)].mean(axis=1)  # (T, 2 | 3)
    across, down = (left - right)[:, :2].T
    distance = np.hypot(across, down)
    if not distance.all():
        raise ValueError(f"the eyes of frame {int(np.argmin(distance))} are in one place")
    normal: NDArray[np.float64] = (wide - ((left + right) / 2)[:, None]) / distance[:, None, None]
    # Cosine and sine of the roll are the eyes' line itself, of length 1: no angle is computed.
    cos, sin = (across / distance)[:, None], (down / distance)[:, None]
    x, y = normal[..., 0].copy(), normal[..., 1].copy()
    normal[..., 0] = cos * x + sin * y
    normal[..., 1] = cos * y - sin * x
    return normal
