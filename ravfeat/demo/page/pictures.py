"""Pictures of a recording along its time, with the face that was followed."""

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from ravfeat.predict.result import FaceTrace

__all__ = ["Frame", "pictures"]

_CELL = Markup(
    '<li><span class="rv-picture" style="aspect-ratio:{0}/{1};max-width:calc(7rem*{0}/{1})">'
    '<img alt="Picture at {2:.1f} s{3}" src="data:image/jpeg;base64,{4}">{5}</span></li>'
)
_BOX = Markup('<i style="left:{:.2f}%;top:{:.2f}%;width:{:.2f}%;height:{:.2f}%"></i>')


@dataclass(frozen=True)
class Frame:
    """A picture of the recording, small.

    Attributes
    ----------
    time_s : float
    jpeg : bytes
    width, height : int
        Of the whole upright picture, in whose pixels `ravfeat.predict.FaceTrace` has its boxes.
    """

    time_s: float
    jpeg: bytes
    width: int
    height: int


def pictures(frames: Sequence[Frame], faces: FaceTrace | None) -> Markup:
    """Draw frames, evenly spaced over the recording, each with the box of its face.

    Returns
    -------
    Markup
        Empty without frames.
    """
    cells = Markup().join(_cell(frame, faces) for frame in frames)
    return Markup('<ul class="rv-lane rv-frames" aria-label="Pictures">{}</ul>').format(cells) if frames else cells


def _cell(frame: Frame, faces: FaceTrace | None) -> Markup:
    box = _box(frame, faces)
    told = ", with the face that was followed" if box else ""
    data = base64.b64encode(frame.jpeg).decode("ascii")
    return _CELL.format(frame.width, frame.height, frame.time_s, told, data, box)


def _box(frame: Frame, faces: FaceTrace | None) -> Markup:
    if faces is None or not len(faces.times_s):
        return Markup()
    nearest = int(np.abs(faces.times_s - frame.time_s).argmin())
    sides = [float(value) for value in faces.boxes[nearest]]
    if not faces.found[nearest] or not all(map(math.isfinite, sides)):
        return Markup()
    whole = (frame.width, frame.height) * 2
    left, top, right, bottom = (
        100 * min(max(side / length, 0.0), 1.0) for side, length in zip(sides, whole, strict=True)
    )
    return _BOX.format(left, top, right - left, bottom - top)
