"""What the encoders that read crops of faces have in common."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ravfeat.encoders.base import EncoderInput
from ravfeat.faces.base import Faces
from ravfeat.faces.crop import crop

__all__ = ["cut_out", "joined", "split"]


def cut_out(faces: Faces, *, margin: float, size: int, inner: int | None = None) -> EncoderInput:
    """Crop the face of every picture.

    Parameters
    ----------
    faces : Faces
        With boxes.
    margin : float
        Side of the square over that of the box.
    size : int
        Of the crops, in pixels.
    inner : int, optional
        Keep only so many pixels in the middle.

    Returns
    -------
    EncoderInput
        values (T, inner, inner, 3) uint8, RGB; columns ``box``, ``confidence``, ``found`` and, where it is
        known, ``faces``.
    """
    kept = inner or size
    start = (size - kept) // 2
    crops = np.empty((len(faces), kept, kept, 3), np.uint8)
    for row, (picture, box) in enumerate(zip(faces.pictures, faces.boxes, strict=True)):
        whole = crop(picture, box, margin=margin, size=size)
        crops[row] = whole[start : start + kept, start : start + kept]
    columns = {
        "box": faces.boxes.astype(np.float32, copy=False),
        "confidence": faces.confidence.astype(np.float32, copy=False),
        "found": faces.found.astype(np.float32),
    }
    if len(faces.n_faces):
        columns["faces"] = faces.n_faces.astype(np.float32)
    return EncoderInput(crops, faces.times_s, columns)


def joined(batch: Sequence[EncoderInput]) -> NDArray[np.uint8]:
    """Join pieces into one batch of pictures: (T1 + T2 + …, size, size, 3)."""
    return np.concatenate([piece.values for piece in batch])


def split(frames: NDArray[np.float32], batch: Sequence[EncoderInput]) -> list[NDArray[np.float32]]:
    """Give every piece its own frames."""
    ends = np.cumsum([piece.n_frames for piece in batch])
    return np.split(frames, ends[:-1])
