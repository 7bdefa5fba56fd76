"""Run torch encoders in float32 without gradients, and select hidden states from their output.

Conventions
-----------
The layer stack is ``(*hidden_states[:-1], last_hidden_state)``. For encoders with a stable layer norm
transformers 5 takes ``hidden_states[-1]`` before the final norm (up to 4.57: after it), so
the last entry is replaced by ``last_hidden_state``, which never changed its meaning.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import transformers
from torch import Tensor

from ravfeat.encoders.attention import attention_of
from ravfeat.encoders.base import EncoderInput
from ravfeat.encoders.precision import product_precision
from ravfeat.errors import EncoderError

__all__ = ["LAYER_CONVENTION", "clip_states", "first_line", "frozen_pass", "full_precision", "torch_provenance"]

LAYER_CONVENTION = "hidden_states[:-1] + last_hidden_state/1"


@contextmanager
def frozen_pass(*, tf32: bool = False) -> Iterator[None]:
    """Context for running a model without gradients and in float32; lack of memory raises MemoryError.

    Parameters
    ----------
    tf32 : bool
        Whether a GPU may round the factors of products to TF32, which is faster and changes results by about 1e-3.
    """
    with full_precision(tf32=tf32), torch.inference_mode():
        yield


@contextmanager
def full_precision(*, tf32: bool = False) -> Iterator[None]:
    """Context for running a model in float32 unless ``tf32``, with or without gradients; see `frozen_pass`."""
    try:
        # On GPUs, torch rounds the inputs of convolutions to TF32 by default.
        with product_precision("tf32" if tf32 else "ieee"), warnings.catch_warnings():
            # WavLM's attention in transformers passes masks of two types to torch, which warns; results are the same.
            warnings.filterwarnings("ignore", "Support for mismatched key_padding_mask", UserWarning)
            yield
    except RuntimeError as error:
        # For GPUs torch has an error class; on the CPU only the text of a RuntimeError tells.
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            raise MemoryError(first_line(error)) from error
        raise


def clip_states(output: Any, batch: Sequence[EncoderInput]) -> list[Tensor]:
    """Select each clip's frames of all layers from a model's output, dropping padding.

    Parameters
    ----------
    output : transformers.utils.ModelOutput
        With ``hidden_states`` and ``last_hidden_state``, each of shape (B, T, D).
    batch : sequence of EncoderInput

    Returns
    -------
    list of Tensor of shape (L, T, D), float32
        On the model's device.

    Raises
    ------
    EncoderError
        Where the model returned fewer frames than expected from its strides.
    """
    layers = (*output.hidden_states[:-1], output.last_hidden_state)
    n_given = min(layer.shape[1] for layer in layers)
    if n_given < (n_expected := max(clip.n_frames for clip in batch)):
        raise EncoderError(
            f"the encoder gave {n_given} frames where {n_expected} were expected; its family is not supported"
        )
    # Stacking copies, so that a clip's states do not keep those of the whole padded batch.
    return [torch.stack([layer[row, : clip.n_frames] for layer in layers]).float() for row, clip in enumerate(batch)]


def torch_provenance(model: Any, *, tf32: bool = False) -> dict[str, Any]:
    """Return versions, device, attention kernel, and whether products are rounded to TF32."""
    device: torch.device = model.device
    about: dict[str, Any] = {
        "device": str(device),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "tf32": tf32,
        "attention": attention_of(model),
    }
    if device.type == "cuda":
        about["gpu"] = torch.cuda.get_device_name(device)
        about["cuda"] = torch.version.cuda
    return about


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or its class name where there is no text."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
