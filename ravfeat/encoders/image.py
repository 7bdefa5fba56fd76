"""Image encoders (ViT, CLIP, ResNet …) from a folder in the format of Hugging Face `transformers`.

Conventions
-----------
Where all hidden states are tokens of one width (ViT, DeiT, BEiT, DINOv2, CLIP's and SigLIP's vision models …)
every layer is kept: the CLS token, or the mean of all tokens where the model has none. All others
(MobileNet, ResNet, ConvNeXt, Swin …) give one layer: the model's pooled output, or the average of its
last map.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from transformers.models.auto import image_processing_auto, modeling_auto

from ravfeat.encoders.base import Batching, EncoderInput, EncoderSpec
from ravfeat.encoders.crops import concatenate, crop_faces, split_frames
from ravfeat.encoders.hidden_states import LAYER_CONVENTION, first_line, frozen_pass, torch_provenance
from ravfeat.encoders.loading import check_whole, load_config, load_model, to_device
from ravfeat.encoders.processor import PictureInput, read_processor
from ravfeat.encoders.weights import WeightFolder
from ravfeat.errors import EncoderError
from ravfeat.faces.base import Faces
from ravfeat.faces.crop import crop_recipe

__all__ = ["ImageEncoder", "load_image_encoder", "reads_pictures"]

Readout = Literal["cls", "mean", "pooled", "average"]

_READABLE = "an encoder of pictures (vit, deit, beit, dinov2, clip_vision_model, mobilenet_v2, resnet, swin …)"
_CONVENTIONS: dict[Readout, str] = {
    "cls": f"CLS token of {LAYER_CONVENTION}",
    "mean": f"mean token of {LAYER_CONVENTION}",
    "pooled": "pooler_output/1",
    "average": "average of last_hidden_state/1",
}
# Weights after the last layer. Classifiers are saved without them, and tokens are read before them: may be missing.
_AFTER_THE_TOKENS = ("pooler.", "head.")


class ImageEncoder:
    """A frozen image model on crops of faces.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        In evaluation mode, float32.
    picture_input : PictureInput
    readout : {"cls", "mean", "pooled", "average"}
    shape : tuple of int
        Layers and dimensions of the output.
    name, weights : str
        For the spec.
    steps : tuple of str
        Steps that determine the boxes.
    margin : float
    frame_rate_hz : float
        Nominal.
    tf32 : bool
        Whether a GPU may round the factors of products to TF32; recorded as provenance.
    """

    batching: Batching = "pieces"
    needs = frozenset({"detector"})

    def __init__(
        self,
        model: Any,
        picture_input: PictureInput,
        readout: Readout,
        shape: tuple[int, int],
        *,
        name: str,
        weights: str,
        steps: tuple[str, ...],
        margin: float,
        frame_rate_hz: float,
        tf32: bool = False,
    ) -> None:
        self._model = model
        self._tf32 = tf32
        self._input = picture_input
        self._readout = readout
        self._margin = margin
        self.spec = EncoderSpec(
            name=name,
            stream="face",
            weights=weights,
            layer_convention=_CONVENTIONS[readout],
            preprocessing=(*steps, crop_recipe(margin, picture_input.crop_size), picture_input.step),
            n_layers=shape[0],
            dim=shape[1],
            frame_rate_hz=frame_rate_hz,
        )

    def prepare(self, faces: Faces) -> EncoderInput:
        """Crop the face of every picture."""
        return crop_faces(faces, margin=self._margin, size=self._input.crop_size, inner=self._input.size)

    def encode(self, batch: Sequence[EncoderInput]) -> list[NDArray[np.float32]]:
        """Encode the pictures of all pieces together."""
        pictures = concatenate(batch)
        if not len(pictures):
            return [np.empty((0, self.spec.n_layers, self.spec.dim), np.float32) for _ in batch]
        with frozen_pass(tf32=self._tf32):
            pixels = _pixels(pictures, self._input, self._model.device)
            output = self._model(pixel_values=pixels, output_hidden_states=self._readout in {"cls", "mean"})
            frames = _read(output, self._readout).float().cpu().numpy()
        return split_frames(frames, batch)

    def provenance(self) -> dict[str, Any]:
        """Return versions, device and matrix-product precision."""
        return torch_provenance(self._model, tf32=self._tf32)


def _pixels(pictures: NDArray[np.uint8], picture_input: PictureInput, device: torch.device) -> torch.Tensor:
    # Copied as bytes and converted on the device: a quarter of the data to copy.
    values = torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2).float()
    mean, std = (
        torch.tensor(numbers, device=device).view(1, 3, 1, 1) for numbers in (picture_input.mean, picture_input.std)
    )
    return (values * picture_input.scale - mean) / std


def _read(output: Any, readout: Readout) -> torch.Tensor:
    """Read the features (B, L, D) from a model's output."""
    if readout == "pooled":
        pooled: torch.Tensor = output.pooler_output.flatten(1)[:, None]
        return pooled
    last: torch.Tensor = output.last_hidden_state
    if readout == "average":
        return last.mean(dim=(2, 3) if last.ndim == 4 else 1)[:, None]
    # The last hidden state replaces the last entry, see `ravfeat.encoders.hidden_states`.
    layers = torch.stack([*output.hidden_states[:-1], last], dim=1)  # (B, L, tokens, D)
    return layers[:, :, 0] if readout == "cls" else layers.mean(dim=2)


def load_image_encoder(
    folder: WeightFolder,
    name: str,
    device: str,
    *,
    steps: tuple[str, ...],
    margin: float,
    frame_rate_hz: float,
    tf32: bool = False,
) -> ImageEncoder:
    """Load an image encoder.

    Parameters
    ----------
    folder : WeightFolder
    name : str
        Name of the encoder.
    device : str
        ``cpu``, ``cuda`` or ``cuda:N``.
    steps : tuple of str
        Steps that determine the boxes.
    margin : float
        Side of the crop relative to that of the box.
    frame_rate_hz : float
        Nominal.
    tf32 : bool
        See `ravfeat.encoders.registry.load_encoder`.

    Raises
    ------
    EncoderError
        Where the folder does not hold a complete image encoder of a supported family.
    """
    config = load_config(folder, readable=_READABLE)
    _check_reads_pictures(config, folder)
    picture_input = read_processor(folder)
    model, report = load_model(folder)
    if model.main_input_name != "pixel_values":
        raise EncoderError(
            f"{folder.path} holds a model of type '{config.model_type}', which does not read pictures alone;"
            f" expected {_READABLE}"
        )
    model = to_device(model, device)
    readout, shape = _try(model, picture_input, folder)
    check_whole(folder, model, report, unused=_AFTER_THE_TOKENS if readout in {"cls", "mean"} else ())
    return ImageEncoder(
        model, picture_input, readout, shape, name=name, weights=folder.digest, steps=steps, margin=margin,
        frame_rate_hz=frame_rate_hz, tf32=tf32,
    )  # fmt: skip


def reads_pictures(model_type: str) -> bool:
    """Whether a family of `transformers` reads pictures, usable here or not."""
    return (
        model_type in image_processing_auto.IMAGE_PROCESSOR_MAPPING_NAMES
        or model_type in _image_families()
        or model_type in modeling_auto.MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES
    )


def _image_families() -> set[str]:
    return {
        *modeling_auto.MODEL_FOR_IMAGE_MAPPING_NAMES,
        *modeling_auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES,
        # The picture halves of models of text and pictures (CLIP, SigLIP) are in neither of these tables.
        *(family for family in modeling_auto.MODEL_MAPPING_NAMES if family.endswith("_vision_model")),
    }


def _check_reads_pictures(config: Any, folder: WeightFolder) -> None:
    family = config.model_type
    problem = f"{folder.path} holds a model of type '{family}'"
    if family in modeling_auto.MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES:
        raise EncoderError(f"{problem}, which finds objects and describes no picture as a whole; expected {_READABLE}")
    if family in modeling_auto.MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING_NAMES:
        raise EncoderError(f"{problem}, which reads videos and not single pictures; expected {_READABLE}")
    if hasattr(config, "text_config"):
        raise EncoderError(
            f"{problem}, which reads text too; save its picture side alone (model.vision_model.save_pretrained)"
        )
    if family not in _image_families():
        raise EncoderError(f"{problem}, which does not read pictures; expected {_READABLE}")


def _try(model: Any, picture_input: PictureInput, folder: WeightFolder) -> tuple[Readout, tuple[int, int]]:
    """Run the model on two pictures, together and alone; choose which part of its output is kept."""
    side = picture_input.size
    pictures = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), np.uint8)
    pixels = _pixels(pictures, picture_input, model.device)
    try:
        with frozen_pass():
            output = model(pixel_values=pixels, output_hidden_states=True)
            readout = _readout(model, output, side, folder)
            together = _read(output, readout)
            singles = [model(pixel_values=picture[None], output_hidden_states=True) for picture in pixels]
            alone = torch.cat([_read(single, readout) for single in singles])
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError) as error:
        raise EncoderError(
            f"{folder.path} cannot read pictures of {side} x {side} pixels, which its preprocessor asks"
            f" for ({first_line(error)})"
        ) from error
    # Random parts, or a normalisation over the batch, would make features depend on the run or the batch.
    if together.shape != alone.shape or not torch.allclose(together, alone, rtol=1e-3, atol=1e-3):
        raise EncoderError(
            f"{folder.path} holds a model of type '{model.config.model_type}' that gives other features for the same"
            " picture every time, or for pictures beside others; such models cannot be used"
        )
    return readout, (together.shape[1], together.shape[2])


def _readout(model: Any, output: Any, side: int, folder: WeightFolder) -> Readout:
    last, states = output.last_hidden_state, output.hidden_states
    # Layers of one shape are tokens throughout. Pyramids (Swin, ResNet) shrink from layer to layer, and only their end
    # can be used.
    if states and last.ndim == 3 and all(state.shape == last.shape for state in states):
        # Every family that has such a token puts it first.
        if any(name.endswith(("cls_token", "class_embedding")) for name, _ in model.named_parameters()):
            return "cls"
        if last.shape[1] == _patches(model.config, side):
            return "mean"
        raise EncoderError(f"{folder.path} gives {last.shape[1]} tokens, and which of them stands for the picture?")
    if getattr(output, "pooler_output", None) is not None:
        return "pooled"
    if last.ndim in {3, 4}:
        return "average"
    raise EncoderError(f"{folder.path} gives features of shape {tuple(last.shape)} for two pictures; expected a map")


def _patches(config: Any, side: int) -> int:
    patch = config.patch_size
    height, width = patch if isinstance(patch, list | tuple) else (patch, patch)
    return (side // int(height)) * (side // int(width))
