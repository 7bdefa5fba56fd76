"""What is predicted of a recording: probabilities of every system for every window, and for the whole file."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ravfeat.predictions import System
from ravfeat.short_repr import short_repr

__all__ = ["Attention", "Envelope", "FaceTrace", "FilePrediction", "SystemPrediction", "WindowPrediction"]


@dataclass(frozen=True)
class Attention:
    """Where in a recording a head's pooling put its weight.

    Attributes
    ----------
    times_s : ndarray of shape (T,), float64
        Centres, in seconds from the start of the recording.
    weights : ndarray of shape (T,), float32
        Sum to 1; mean over layers and seeds.
    """

    times_s: NDArray[np.float64]
    weights: NDArray[np.float32]


@dataclass(frozen=True)
class SystemPrediction:
    """What one system says of one stretch of time.

    Attributes
    ----------
    system : System
        Of the head's `systems`; the fused one is among them.
    probs : ndarray of shape (K,), float64, or None
        Calibrated, in the order of the head's classes; None where there is no answer.
    reason : str
        Why there is none; else empty.
    domain : float
        How unlike the training clips this is: root mean square z of the mean features. NaN where it is not known. Of a
        mixture, the largest of its members'.
    unlike : bool
        Whether `domain` is above what nearly all validation clips have.
    attention : Attention or None
        Of heads that pool with attention, where it was asked for.
    """

    system: System
    probs: NDArray[np.float64] | None
    reason: str = ""
    domain: float = math.nan
    unlike: bool = False
    attention: Attention | None = None

    @property
    def status(self) -> Literal["ok", "failed"]:
        """``ok`` where there are probabilities."""
        return "failed" if self.probs is None else "ok"


@short_repr
@dataclass(frozen=True)
class WindowPrediction:
    """What all systems say of one stretch of time.

    Attributes
    ----------
    start_s, end_s : float
    systems : tuple of SystemPrediction
        In the order of the head's `systems`.
    face_found, faces_several : float
        Share of the pictures with a face, and with several; NaN where no system looks at pictures.
    speech_db : float
        Root mean square of the sound in decibels of full scale; NaN where no system listens.
    """

    start_s: float
    end_s: float
    systems: tuple[SystemPrediction, ...]
    face_found: float = math.nan
    faces_several: float = math.nan
    speech_db: float = math.nan

    def of(self, system: System) -> SystemPrediction:
        """Give what one system says."""
        return next(prediction for prediction in self.systems if prediction.system == system)


@dataclass(frozen=True)
class Envelope:
    """Outline of a waveform, to draw it.

    Attributes
    ----------
    rate_hz : float
        Values per second.
    peaks : ndarray of shape (M,), float32
        Largest absolute sample of each stretch, in [0, 1].
    """

    rate_hz: float
    peaks: NDArray[np.float32]


@dataclass(frozen=True)
class FaceTrace:
    """The face that was followed, picture by picture.

    Attributes
    ----------
    times_s : ndarray of shape (T,), float64
    boxes : ndarray of shape (T, 4), float32
        Left, top, right, bottom in pixels of the upright picture with square pixels, as
        `ravfeat.media.pictures.read_pictures` gives it.
    found : ndarray of shape (T,), bool
    """

    times_s: NDArray[np.float64]
    boxes: NDArray[np.float32]
    found: NDArray[np.bool_]


@short_repr
@dataclass(frozen=True)
class FilePrediction:
    """Prediction of one recording.

    Attributes
    ----------
    file : str
        As it was named.
    classes : tuple of str, length K
    duration_s : float
        NaN where nothing could be read.
    windows : tuple of WindowPrediction
        Empty where nothing could be read.
    summary : WindowPrediction
        Of the whole recording: the mean probabilities over the windows of each system that have any.
    trained_on : bool
        Whether this very recording is one of those that the heads learned from.
    envelope : Envelope or None
    faces : FaceTrace or None
    """

    file: str
    classes: tuple[str, ...]
    duration_s: float
    windows: tuple[WindowPrediction, ...]
    summary: WindowPrediction
    trained_on: bool = False
    envelope: Envelope | None = None
    faces: FaceTrace | None = None
