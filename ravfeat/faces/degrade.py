"""Make a picture darker, blurred or smaller: the conditions of faces that heads are stressed with."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ravfeat.media.conditions import Condition

__all__ = ["degrade"]

Picture = NDArray[np.uint8]

_GAMMA = 2.2


def degrade(picture: Picture, condition: Condition) -> Picture:
    """Change one picture; see `ravfeat.media.conditions`.

    Parameters
    ----------
    picture : ndarray of shape (H, W, 3), uint8
        Not modified.
    condition : Condition
        One of faces.

    Returns
    -------
    ndarray of shape (H, W, 3), uint8
    """
    return _PICTURE[condition.recipe](picture, condition.strength or 0.0)


def _dark(picture: Picture, stops: float) -> Picture:
    # As a table: a value of 8 bits always becomes the same one.
    table = np.round(np.arange(256) * 2 ** (-stops / _GAMMA)).astype(np.uint8)
    return np.asarray(table[picture])


def _blur(picture: Picture, percent: float) -> Picture:
    sigma = percent / 100 * picture.shape[0]
    return np.array(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(sigma)))


def _small(picture: Picture, factor: float) -> Picture:
    height, width = picture.shape[:2]
    size = max(1, round(width / factor)), max(1, round(height / factor))
    reduced = Image.fromarray(picture).resize(size, Image.Resampling.BOX)
    return np.array(reduced.resize((width, height), Image.Resampling.BICUBIC))


_PICTURE: Mapping[str, Callable[[Picture, float], Picture]] = MappingProxyType(
    {"dark": _dark, "blur": _blur, "small": _small}
)
