"""Crop faces for an encoder, concatenate pieces to one batch, split the output again."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ravfeat.encoders.base import EncoderInput
from ravfeat.faces.base import Faces
from ravfeat.faces.crop import crop

__all__ = ["concatenate", "crop_faces", "split_frames"]


def crop_faces(faces: Faces, *, margin: float, size: int, inner: int | None = None) -> EncoderInput:
    """Crop the face of every picture.

    Parameters
    ----------
    faces : Faces
        With boxes.
    margin : float
        Side of the square crop relative to the longer side of the box.
    size : int
        Side of the crops, in pixels.
    inner : int, optional
        Side of the centre that is kept, in pixels; default all.

    Returns
    -------
    EncoderInput
        values (T, inner, inner, 3) uint8, RGB; columns ``box``, ``confidence``, ``found`` and, where it is
        known, ``faces``.
    """
    side = inner or size
    start = (size - side) // 2
    crops = np.empty((len(faces), side, side, 3), np.uint8)
    for row, (picture, box) in enumerate(zip(faces.pictures, faces.boxes, strict=True)):
        # Resampled once, to the size that the model's own processor would resize to; the model reads the middle of it.
        whole = crop(picture, box, margin=margin, size=size)
        crops[row] = whole[start : start + side, start : start + side]
    columns = {
        "box": faces.boxes.astype(np.float32, copy=False),
        "confidence": faces.confidence.astype(np.float32, copy=False),
        "found": faces.found.astype(np.float32),
    }
    if len(faces.n_faces):
        columns["faces"] = faces.n_faces.astype(np.float32)
    return EncoderInput(crops, faces.times_s, columns)


def concatenate(batch: Sequence[EncoderInput]) -> NDArray[np.uint8]:
    """Concatenate pieces to one batch of pictures: (T1 + T2 + …, size, size, 3)."""
    return np.concatenate([piece.values for piece in batch])


def split_frames(frames: NDArray[np.float32], batch: Sequence[EncoderInput]) -> list[NDArray[np.float32]]:
    """Split the frames of a batch into those of each piece."""
    ends = np.cumsum([piece.n_frames for piece in batch])
    return np.split(frames, ends[:-1])
