"""Track one face over time: choose among several, smooth its box, bridge pictures without a face."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ravfeat.faces.base import Detection

__all__ = ["TRACKING", "FaceTrack", "TrackedFace", "overlap"]

SMOOTHING_S = 0.1
SAME_FACE_OVERLAP = 0.1

TRACKING = f"largest face then most overlap, smoothed {SMOOTHING_S:g} s/1"
"""Name and version of the rule that `FaceTrack` implements; part of the identity."""


@dataclass(frozen=True)
class TrackedFace:
    """Box of the tracked face in one picture.

    Attributes
    ----------
    box : ndarray of shape (4,), float64
    confidence : float
        Of the detector; 0 where no face was found.
    found : bool
    n_faces : int
        Faces in the picture; one of them is tracked.
    """

    box: NDArray[np.float64]
    confidence: float
    found: bool
    n_faces: int


class FaceTrack:
    """Tracker of one face through the pictures of a clip.

    Of several faces it chooses the one with the largest overlap (intersection over union) with the last box; in
    the first picture, and where no overlap reaches a tenth, the largest face. Boxes are smoothed by an exponential
    moving average with a time constant of a tenth of a second. The average restarts at the first picture with a
    face after some without, and where the face jumps, that is, overlaps its last box by less than a tenth. Without
    a face the last box is used; before the first face, a centred square as wide as the picture's shorter side.
    """

    def __init__(self) -> None:
        self._shape: tuple[int, int] | None = None
        self._raw: NDArray[np.float64] | None = None
        self._smooth: NDArray[np.float64] | None = None
        self._found_s: float | None = None
        """Time of the previous picture; None where it had no face."""

    def follow(self, detections: Sequence[Detection], time_s: float, shape: tuple[int, int]) -> TrackedFace:
        """Process the next picture.

        Parameters
        ----------
        detections : sequence of Detection
            All faces in the picture.
        time_s : float
            Greater than that of the previous picture.
        shape : tuple of int
            Height and width of the picture; if they change, the track restarts.
        """
        # Boxes are pixels: those of another picture size mean nothing.
        if shape != self._shape:
            self._shape, self._raw, self._smooth, self._found_s = shape, None, None, None
        if not detections:
            self._found_s = None
            return TrackedFace(_middle(shape) if self._smooth is None else self._smooth, 0.0, found=False, n_faces=0)
        chosen = self._choose(detections)
        self._smooth = self._smoothed(chosen.box, time_s)
        self._raw, self._found_s = chosen.box, time_s
        return TrackedFace(self._smooth, chosen.confidence, found=True, n_faces=len(detections))

    def _choose(self, detections: Sequence[Detection]) -> Detection:
        if self._raw is not None:
            # Compared with the last raw box: the smoothed one lags behind a moving face.
            last = self._raw
            nearest = max(detections, key=lambda detection: overlap(detection.box, last))
            if overlap(nearest.box, last) >= SAME_FACE_OVERLAP:
                return nearest
        return max(detections, key=lambda detection: _area(detection.box))

    def _smoothed(self, box: NDArray[np.float64], time_s: float) -> NDArray[np.float64]:
        # After a gap the average would pull the box towards where the face was.
        if self._smooth is None or self._raw is None or self._found_s is None:
            return box
        if overlap(box, self._raw) < SAME_FACE_OVERLAP:
            return box
        # Weight of the new box, 1 - exp(-dt / tau): independent of the frame rate.
        weight = -math.expm1((self._found_s - time_s) / SMOOTHING_S)
        return self._smooth + weight * (box - self._smooth)


def overlap(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Compute the intersection over union of two boxes, in [0, 1]."""
    corners = np.concatenate([np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])])
    common = _area(corners)
    union = _area(first) + _area(second) - common
    return common / union if union > 0 else 0.0


def _area(box: NDArray[np.float64]) -> float:
    return float(max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0))


def _middle(shape: tuple[int, int]) -> NDArray[np.float64]:
    height, width = shape
    half = min(height, width) / 2
    return np.array([width / 2 - half, height / 2 - half, width / 2 + half, height / 2 + half])
