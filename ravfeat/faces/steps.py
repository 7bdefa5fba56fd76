"""Read back from the steps of a cache's identity how its faces were found and cropped."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ravfeat.faces.crop import margin_of

__all__ = ["FaceSteps", "parse_steps"]

# The texts of `ravfeat.faces.source`; of other versions nothing is known.
_PICTURES = re.compile(r"pictures (?:all|at most (\d+(?:\.\d+)?(?:e[+-]\d+)?) a second), upright rgb, square pixels/2")
_DETECTOR = re.compile("mediapipe face detector ([0-9a-f]{12}), ")
_LANDMARKER = re.compile("mediapipe face landmarker ([0-9a-f]{12}), ")
_CROPPED = "whole picture is the face/1"


@dataclass(frozen=True)
class FaceSteps:
    """How faces were found and cropped.

    Attributes
    ----------
    fps : float or None
        Pictures per second at most; None is every picture.
    cropped : bool
        Whether the pictures were crops of faces already.
    margin : float or None
        None where nothing was cropped.
    detector, landmarker : str
        First digits of the SHA-256 of the model file; empty where there was none.
    """

    fps: float | None
    cropped: bool
    margin: float | None
    detector: str
    landmarker: str


def parse_steps(steps: Iterable[str]) -> FaceSteps | None:
    """Parse the preprocessing steps of an identity; None where they are of another version, or not of faces.

    Examples
    --------
    >>> parse_steps(["pictures at most 15 a second, upright rgb, square pixels/2", "whole picture is the face/1"])
    FaceSteps(fps=15.0, cropped=True, margin=None, detector='', landmarker='')
    """
    steps = list(steps)
    pictures = _PICTURES.fullmatch(steps[0]) if steps else None
    if pictures is None:
        return None
    return FaceSteps(
        fps=None if pictures[1] is None else float(pictures[1]),
        cropped=_CROPPED in steps,
        margin=margin_of(steps),
        detector=_digits(_DETECTOR, steps),
        landmarker=_digits(_LANDMARKER, steps),
    )


def _digits(pattern: re.Pattern[str], steps: Iterable[str]) -> str:
    return next((match[1] for step in steps if (match := pattern.match(step))), "")
