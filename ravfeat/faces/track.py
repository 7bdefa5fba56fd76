"""One face followed over time: which of several, smoothed, and what stands in where there is none."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ravfeat.faces.base import Detection

__all__ = ["TRACKING", "FaceTrack", "Followed", "overlap"]

SMOOTHING_S = 0.1
SAME_FACE_OVERLAP = 0.1

TRACKING = f"largest face then most overlap, smoothed {SMOOTHING_S:g} s/1"
"""Name and version of what `FaceTrack` does."""


@dataclass(frozen=True)
class Followed:
    """Where the face is in one picture.

    Attributes
    ----------
    box : ndarray of shape (4,), float64
    confidence : float
        Of the detector; 0 where nothing was found.
    found : bool
    n_faces : int
        Faces in the picture; one of them is followed.
    """

    box: NDArray[np.float64]
    confidence: float
    found: bool
    n_faces: int


class FaceTrack:
    """Follows one face through the pictures of a clip.

    Of several faces it takes the one that overlaps most with the last one; at first, and where none overlaps
    by a tenth (intersection over union), the largest. Boxes are smoothed exponentially with a time constant of
    a tenth of a second, looking back only; smoothing starts anew at the first picture with a face after some
    without, and where the face jumps, that is, overlaps by less than a tenth with its last box. Without a face
    the last box stands in, before the first one a square in the picture's middle, as wide as its shorter side.
    """

    def __init__(self) -> None:
        self._shape: tuple[int, int] | None = None
        self._raw: NDArray[np.float64] | None = None
        self._smooth: NDArray[np.float64] | None = None
        self._found_s: float | None = None
        """When the picture before was shown, where a face was in it."""

    def follow(self, detections: Sequence[Detection], time_s: float, shape: tuple[int, int]) -> Followed:
        """Take the next picture.

        Parameters
        ----------
        detections : sequence of Detection
            All faces in it.
        time_s : float
            Later than that of the picture before.
        shape : tuple of int
            Height and width of the picture; where they change, the track begins anew.
        """
        if shape != self._shape:
            self._shape, self._raw, self._smooth, self._found_s = shape, None, None, None
        if not detections:
            self._found_s = None
            return Followed(_middle(shape) if self._smooth is None else self._smooth, 0.0, found=False, n_faces=0)
        chosen = self._choose(detections)
        self._smooth = self._smoothed(chosen.box, time_s)
        self._raw, self._found_s = chosen.box, time_s
        return Followed(self._smooth, chosen.confidence, found=True, n_faces=len(detections))

    def _choose(self, detections: Sequence[Detection]) -> Detection:
        if self._raw is not None:
            last = self._raw
            nearest = max(detections, key=lambda detection: overlap(detection.box, last))
            if overlap(nearest.box, last) >= SAME_FACE_OVERLAP:
                return nearest
        return max(detections, key=lambda detection: _area(detection.box))

    def _smoothed(self, box: NDArray[np.float64], time_s: float) -> NDArray[np.float64]:
        if self._smooth is None or self._raw is None or self._found_s is None:
            return box
        if overlap(box, self._raw) < SAME_FACE_OVERLAP:
            return box
        weight = -math.expm1((self._found_s - time_s) / SMOOTHING_S)
        return self._smooth + weight * (box - self._smooth)


def overlap(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Give the intersection over the union of two boxes, in [0, 1]."""
    corners = np.concatenate([np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])])
    common = _area(corners)
    union = _area(one) + _area(other) - common
    return common / union if union > 0 else 0.0


def _area(box: NDArray[np.float64]) -> float:
    return float(max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0))


def _middle(shape: tuple[int, int]) -> NDArray[np.float64]:
    height, width = shape
    half = min(height, width) / 2
    return np.array([width / 2 - half, height / 2 - half, width / 2 + half, height / 2 + half])
