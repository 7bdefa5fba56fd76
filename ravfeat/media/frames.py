"""Hash a decoded picture, and convert it to upright RGB with square pixels, from any pixel format."""

import struct
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["add_to_digest", "square_size", "upright_rgb"]

_DISPLAY_MATRIX = "DISPLAYMATRIX"


def add_to_digest(digest: Any, frame: Any) -> None:
    """Update a digest with one decoded picture, before any conversion.

    Hashed are width and height (8 bytes each, little endian), FFmpeg's name of the pixel format (ASCII), then
    the planes in order, each line by line from top to bottom without padding: for a single plane
    ``ceil(width * bits per pixel / 8)`` bytes of every line, otherwise the width times the whole bytes of every
    component in the plane. A palette is 1024 bytes.

    Padding is left out because its length and content depend on the decoder's build and the processor.
    """
    layout = frame.format
    digest.update(frame.width.to_bytes(8, "little") + frame.height.to_bytes(8, "little") + layout.name.encode("ascii"))
    for index, plane in enumerate(frame.planes):
        used, padded = _bytes_per_line(layout, index), abs(plane.line_size)
        if used is None:
            digest.update(plane)
        # A negative line size means that lines are stored from bottom to top.
        elif used == padded and plane.line_size > 0:
            digest.update(plane)  # no copy
        else:
            lines = np.frombuffer(plane, np.uint8).reshape(plane.height, padded)[:, :used]
            digest.update(np.ascontiguousarray(lines[:: 1 if plane.line_size > 0 else -1]).data)


def _bytes_per_line(layout: Any, plane: int) -> int | None:
    """Return the number of bytes of a line that hold pixels; None for a palette."""
    if all(component.plane == 0 for component in layout.components) and plane == 0:
        return int(-(-layout.width * layout.padded_bits_per_pixel // 8))
    # Planes of colour may be narrower than the picture, which FFmpeg tells for each component.
    components = [component for component in layout.components if component.plane == plane]
    if not components:
        return None
    return sum(int(component.width) * -(-int(component.bits) // 8) for component in components)


def square_size(width: int, height: int, pixel: Fraction) -> tuple[int, int]:
    """Return width and height of a picture whose pixels are made square.

    Parameters
    ----------
    width, height : int
    pixel : Fraction
        Width of a pixel over its height. One side grows, none shrinks.

    Examples
    --------
    >>> square_size(720, 576, Fraction(64, 45))
    (1024, 576)
    """
    return (round(width * pixel), height) if pixel > 1 else (width, round(height / pixel))


def upright_rgb(frame: Any, reformatter: Any, pixel: Fraction = Fraction(1)) -> NDArray[np.uint8]:
    """Convert a decoded picture.

    Parameters
    ----------
    frame : av.VideoFrame
    reformatter : av.video.reformatter.VideoReformatter
        Shared by all pictures of a file, because its conversion context is expensive to set up.
    pixel : Fraction
        Width of a pixel over its height, as stored; see `square_size`.

    Returns
    -------
    ndarray of shape (H, W, 3), uint8
        RGB, scaled (bicubic) to square pixels, rotated and mirrored by the file's display matrix, to the nearest
        quarter turn.
    """
    scaling = {}
    if pixel != 1:
        width, height = square_size(frame.width, frame.height, pixel)
        scaling = {"width": width, "height": height, "interpolation": "BICUBIC"}
    pixels: NDArray[np.uint8] = reformatter.reformat(frame, format="rgb24", threads=1, **scaling).to_ndarray()
    matrix = frame.side_data.get(_DISPLAY_MATRIX)
    if matrix is None:
        return np.ascontiguousarray(pixels)
    # A 3 x 3 matrix in fixed point, of which these are the first five numbers. Its scale does not matter here.
    # x' = a x + c y and y' = b x + d y
    a, b, _, c, d = struct.unpack("<5i", bytes(matrix)[:20])
    across, down = a, d
    if abs(b) > abs(a):
        pixels, across, down = pixels.transpose(1, 0, 2), c, b  # (H, W, 3) -> (W, H, 3)
    return np.ascontiguousarray(pixels[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1])
