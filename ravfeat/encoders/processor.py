"""Read an image model's ``preprocessor_config.json``: crop size, scale, mean and standard deviation.

Conventions
-----------
Crops are made in the size to which the model's own image processor would resize them, so that every picture is
resampled only once. The remaining steps, centre crop and ``(x * scale - mean) / std``, are compared with the
library's processor when the encoder is loaded; a processor that does anything else is refused.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import transformers
from numpy.typing import NDArray

from ravfeat.encoders.hidden_states import first_line
from ravfeat.encoders.loading import quiet
from ravfeat.encoders.weights import WeightFolder
from ravfeat.errors import EncoderError

__all__ = ["PictureInput", "read_processor"]

_TOLERANCE = 1e-4


@dataclass(frozen=True)
class PictureInput:
    """Conversion of a face crop to the model's input.

    Attributes
    ----------
    crop_size : int
        Side of the crop, in pixels.
    size : int
        Side of its centre, which the model reads, in pixels.
    scale : float
    mean, std : tuple of float
        Of red, green and blue.
    """

    crop_size: int
    size: int
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def step(self) -> str:
        """Name and version of the step; part of the identity."""
        mean, std = (" ".join(f"{value:.9g}" for value in values) for values in (self.mean, self.std))
        return f"middle {self.size} px, rgb, (x * {self.scale:.9g} - [{mean}]) / [{std}]/1"

    def middle(self, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the centre of crops, (T, crop_size, crop_size, 3) -> (T, size, size, 3)."""
        start = (self.crop_size - self.size) // 2
        return pictures[:, start : start + self.size, start : start + self.size]


def read_processor(folder: WeightFolder) -> PictureInput:
    """Read the preprocessing of a model's pictures.

    Raises
    ------
    EncoderError
        Where there is no configuration, or the model's processor does more than crop, scale and normalise.
    """
    path = folder.path / "preprocessor_config.json"
    if not folder.preprocessor:
        raise EncoderError(
            f"{folder.path} has no preprocessor_config.json, which says how pictures are scaled for the model;"
            " save the model's image processor beside it (save_pretrained)"
        )
    # The processor of PIL: the other one needs torchvision, and rounds differently.
    try:
        with quiet():
            processor = transformers.AutoImageProcessor.from_pretrained(
                folder.path, backend="pil", local_files_only=True, trust_remote_code=False
            )
    except Exception as error:
        raise EncoderError(f"{path} cannot be used ({first_line(error)})") from error
    crop_size, size = _sizes(processor, folder)
    scale = float(processor.rescale_factor) if processor.do_rescale else 1.0
    mean, std = (
        _per_colour(values) if processor.do_normalize else _per_colour(default)
        for values, default in ((processor.image_mean, 0.0), (processor.image_std, 1.0))
    )
    picture_input = PictureInput(crop_size, size, scale, mean, std)
    _compare(picture_input, processor, folder)
    return picture_input


def _per_colour(values: Any) -> tuple[float, ...]:
    several = values if isinstance(values, list | tuple) else [values] * 3
    return tuple(float(value) for value in several)


def _sizes(processor: Any, folder: WeightFolder) -> tuple[int, int]:
    """Return the side to which a square is resized, and the side of the centre crop."""
    size, middle = processor.size, processor.crop_size if processor.do_center_crop else None
    height, width = (size.height, size.width) if size else (None, None)
    side: Any
    middle_side: Any
    if not processor.do_resize:
        side = folder.config.get("image_size") if middle is None else middle.height
    elif share := getattr(processor, "crop_pct", None):
        # ConvNeXt: pictures below 384 px are resized a little larger and centre-cropped.
        edge = int(size.shortest_edge)
        return (edge, edge) if edge >= 384 else (int(edge / share), edge)
    else:
        side = size.shortest_edge or (height if height == width else None)
    middle_side = side if middle is None else (middle.height if middle.height == middle.width else None)
    if not isinstance(side, int) or not isinstance(middle_side, int) or not 0 < middle_side <= side:
        raise EncoderError(
            f"{folder.path / 'preprocessor_config.json'} asks for the size {dict(size or {})}"
            f"{f' and the middle {dict(middle)}' if middle else ''}; expected a square within a square"
        )
    return side, middle_side


def _compare(picture_input: PictureInput, processor: Any, folder: WeightFolder) -> None:
    side = picture_input.crop_size
    # Noise: any resizing, reordering of colours or other step of the processor would show in it.
    picture = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    try:
        expected = processor(picture, return_tensors="np", input_data_format="channels_last")["pixel_values"][0]
    except Exception as error:
        raise EncoderError(
            f"{folder.path / 'preprocessor_config.json'} cannot be used on a picture ({first_line(error)})"
        ) from error
    computed = picture_input.middle(picture[None])[0].astype(np.float32) * picture_input.scale
    computed = ((computed - np.array(picture_input.mean)) / np.array(picture_input.std)).transpose(2, 0, 1)
    if expected.shape != computed.shape or not np.allclose(expected, computed, atol=_TOLERANCE, rtol=_TOLERANCE):
        raise EncoderError(
            f"{folder.path / 'preprocessor_config.json'} describes a {type(processor).__name__} that does more than"
            " resize, take the middle, scale and normalise; such models cannot be used"
        )
