"""Read an image model's preprocessor settings: crop size, scale, mean and standard deviation.

Conventions
-----------
Crops are made in the size to which the model's own image processor would resize them, so that every picture is
resampled only once. The remaining steps, centre crop and ``(x * scale - mean) / std``, are compared with the
library's processor when the encoder is loaded; a processor that does anything else is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import transformers
from annotated_types import Gt
from numpy.typing import NDArray
from typing_extensions import TypedDict

from ravfeat.encoders.hidden_states import first_line
from ravfeat.encoders.loading import library_folder, quiet, reason_of
from ravfeat.encoders.model_documents import MAX_SIDE, PREPROCESSORS, check_settings, only_settings
from ravfeat.encoders.weights import WeightFolder
from ravfeat.errors import EncoderError

__all__ = ["PictureInput", "read_processor"]

_TOLERANCE = 1e-4


class _Pictures(TypedDict, total=False):
    do_resize: bool | None
    do_center_crop: bool | None
    do_rescale: bool | None
    do_normalize: bool | None
    rescale_factor: Annotated[float, Gt(0)] | None
    crop_pct: Annotated[float, Gt(0)] | None


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

    def __str__(self) -> str:
        return f"{self.crop_size} px, {self.step}"

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
    places = folder.preprocessors("image_processor")
    if not places:
        raise EncoderError(
            f"{folder.path} has no {PREPROCESSORS[0]} and no image processor in {PREPROCESSORS[1]}, which says how"
            " pictures are scaled for the model; save the model's image processor beside it (save_pretrained)"
        )
    return only_settings({where: _picture_input(folder, where, settings) for where, settings in places.items()})


def _picture_input(folder: WeightFolder, where: str, settings: Mapping[str, Any]) -> PictureInput:
    check_settings(settings, _Pictures, where)
    # The processor of PIL: the other one needs torchvision, and rounds differently.
    try:
        with quiet(), library_folder(folder, settings) as place:
            processor = transformers.AutoImageProcessor.from_pretrained(
                place, backend="pil", local_files_only=True, trust_remote_code=False
            )
    except Exception as error:
        raise EncoderError(f"{where} cannot be used ({reason_of(error, folder)})") from error
    crop_size, size = _sizes(processor, folder, where)
    scale = float(processor.rescale_factor) if processor.do_rescale else 1.0
    mean, std = (
        _per_colour(values, where) if processor.do_normalize else (default,) * 3
        for values, default in ((processor.image_mean, 0.0), (processor.image_std, 1.0))
    )
    if 0.0 in std:
        raise EncoderError(f"{where}: image_std is {list(std)}, expected numbers other than 0")
    picture_input = PictureInput(crop_size, size, scale, mean, std)
    _compare(picture_input, processor, where)
    return picture_input


def _per_colour(values: Any, where: str) -> tuple[float, ...]:
    several = values if isinstance(values, list | tuple) else [values] * 3
    if len(several) != 3 or not all(type(value) in {int, float} for value in several):
        raise EncoderError(f"{where}: image_mean or image_std is {values!r}, expected a number, or one for each colour")
    return tuple(float(value) for value in several)


def _sizes(processor: Any, folder: WeightFolder, where: str) -> tuple[int, int]:
    """Return the side to which a square is resized, and the side of the centre crop."""
    size, middle = processor.size, processor.crop_size if processor.do_center_crop else None
    height, width, edge = (size.height, size.width, size.shortest_edge) if size else (None, None, None)
    side: Any
    middle_side: Any = None if middle is None else middle.height if middle.height == middle.width else None
    if not processor.do_resize:
        side = folder.config.get("image_size") if middle is None else middle.height
    elif (share := getattr(processor, "crop_pct", None)) and isinstance(edge, int) and edge < 384:
        # ConvNeXt: pictures below 384 px are resized a little larger and centre-cropped.
        side, middle_side = int(edge / share), edge
    else:
        side = edge or (height if height == width else None)
    middle_side = side if middle is None and middle_side is None else middle_side
    if not isinstance(side, int) or not isinstance(middle_side, int) or not 0 < middle_side <= side <= MAX_SIDE:
        raise EncoderError(
            f"{where} asks for the size {dict(size or {})}"
            f"{f' and the middle {dict(middle)}' if middle else ''}; expected a square within a square of at most"
            f" {MAX_SIDE} pixels"
        )
    return side, middle_side


def _compare(picture_input: PictureInput, processor: Any, where: str) -> None:
    side = picture_input.crop_size
    # Noise: any resizing, reordering of colours or other step of the processor would show in it.
    picture = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    try:
        expected = processor(picture, return_tensors="np", input_data_format="channels_last")["pixel_values"][0]
    except Exception as error:
        raise EncoderError(f"{where} cannot be used on a picture ({first_line(error)})") from error
    computed = picture_input.middle(picture[None])[0].astype(np.float32) * picture_input.scale
    computed = ((computed - np.array(picture_input.mean)) / np.array(picture_input.std)).transpose(2, 0, 1)
    if expected.shape != computed.shape or not np.allclose(expected, computed, atol=_TOLERANCE, rtol=_TOLERANCE):
        raise EncoderError(
            f"{where} describes a {type(processor).__name__} that does more than"
            " resize, take the middle, scale and normalise; such models cannot be used"
        )
