"""Crop a square around a face and resize it."""

import math
import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["crop", "crop_recipe", "margin_of"]

_MARGIN = re.compile(r"square crop, margin (\d+(?:\.\d+)?(?:e[+-]\d+)?), ")


def crop_recipe(margin: float, size: int) -> str:
    """Return name and version of what `crop` does; part of the identity of everything made from it."""
    return f"square crop, margin {margin:.9g}, {size} px, edges repeated, bilinear antialiased/1"


def margin_of(steps: Iterable[str]) -> float | None:
    """Parse the margin from the preprocessing steps of a cache's identity; None where nothing was cropped.

    Examples
    --------
    >>> margin_of(["pictures all/1", crop_recipe(1.25, 112)])
    1.25
    """
    margins = [match[1] for step in steps if (match := _MARGIN.match(step))]
    return float(margins[0]) if margins else None


def crop(
    picture: NDArray[np.uint8], box: Sequence[float] | NDArray[np.floating], *, margin: float, size: int
) -> NDArray[np.uint8]:
    """Crop a square around a box.

    The square has the box's centre, and margin times its longer side, both at subpixel precision. Where it
    reaches beyond the picture, the picture's edge pixels are repeated: black bars would add edges that encoders
    respond to.

    Parameters
    ----------
    picture : ndarray of shape (H, W, 3), uint8
    box : four floats
        Left, top, right, bottom in pixels.
    margin : float
        1 is the box itself.
    size : int
        Side of the result, in pixels.

    Returns
    -------
    ndarray of shape (size, size, 3), uint8
        Resized with a triangle filter that is scaled with the reduction (Pillow's antialiased bilinear).

    Examples
    --------
    >>> crop(np.zeros((90, 160, 3), np.uint8), (60, 30, 80, 50), margin=1.5, size=48).shape
    (48, 48, 3)
    """
    left, top, right, bottom = (float(value) for value in box)
    # A box without extent becomes one pixel, which can be resized.
    side = max((right - left), (bottom - top), 1.0) * margin
    left, top = (left + right - side) / 2, (top + bottom - side) / 2
    reach = math.ceil(max(side / size, 1.0)) + 1  # pixels outside the square that the filter reads
    # The patch is whole pixels and larger than the square: Pillow's filter reads neighbours beyond the square's edge.
    x, y = math.floor(left) - reach, math.floor(top) - reach
    extent = math.ceil(side) + 2 * reach + 1
    patch = Image.fromarray(_patch(picture, x, y, extent))
    inner = (left - x, top - y, left - x + side, top - y + side)
    return np.asarray(patch.resize((size, size), Image.Resampling.BILINEAR, box=inner, reducing_gap=None))


def _patch(picture: NDArray[np.uint8], x: int, y: int, extent: int) -> NDArray[np.uint8]:
    """Return the square of whole pixels at (x, y), with the picture's edges repeated outside of it."""
    height, width = picture.shape[:2]
    if x >= 0 and y >= 0 and x + extent <= width and y + extent <= height:
        return np.ascontiguousarray(picture[y : y + extent, x : x + extent])
    rows = np.clip(np.arange(y, y + extent), 0, height - 1)
    columns = np.clip(np.arange(x, x + extent), 0, width - 1)
    # One axis after the other: indexing both at once copies pixel by pixel, which takes seven times as long.
    return picture.take(rows, axis=0).take(columns, axis=1)
