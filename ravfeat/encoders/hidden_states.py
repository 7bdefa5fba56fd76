"""What the torch encoders have in common: how they run, and what of their output is kept.

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
from ravfeat.errors import EncoderError

__all__ = ["LAYER_CONVENTION", "first_line", "frozen_pass", "full_precision", "own_stacks", "torch_provenance"]

LAYER_CONVENTION = "hidden_states[:-1] + last_hidden_state/1"


@contextmanager
def frozen_pass(*, tf32: bool = False) -> Iterator[None]:
    """Run a model without gradients and in float32; memory that runs out is a MemoryError.

    Parameters
    ----------
    tf32 : bool
        Whether a GPU may round the factors of its products to TF32, which is faster and costs about 1e-3 relative.
    """
    with full_precision(tf32=tf32), torch.inference_mode():
        yield


@contextmanager
def full_precision(*, tf32: bool = False) -> Iterator[None]:
    """Run a model in full float32 unless asked otherwise, gradients or not; memory that runs out is a MemoryError."""
    # On GPUs convolutions would round their input to TF32 by default.
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    try:
        with warnings.catch_warnings():
            # WavLM's attention in transformers gives torch masks of two types; the sum is the same.
            warnings.filterwarnings("ignore", "Support for mismatched key_padding_mask", UserWarning)
            yield
    except RuntimeError as error:
        # torch has its own error for GPUs, and on the CPU only a text.
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            raise MemoryError(first_line(error)) from error
        raise
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def own_stacks(output: Any, batch: Sequence[EncoderInput]) -> list[Tensor]:
    """Take each clip's own frames of all layers out of a model's output.

    Parameters
    ----------
    output : transformers.utils.ModelOutput
        With ``hidden_states`` and ``last_hidden_state``, each of shape (B, T, D).
    batch : sequence of EncoderInput

    Returns
    -------
    list of Tensor of shape (L, T, D), float32
        Where the model computes.

    Raises
    ------
    EncoderError
        Where the model gave fewer frames than its own arithmetic says.
    """
    layers = (*output.hidden_states[:-1], output.last_hidden_state)
    given = min(layer.shape[1] for layer in layers)
    if given < (wanted := max(clip.n_frames for clip in batch)):
        raise EncoderError(f"the encoder gave {given} frames where {wanted} were expected; its family is not supported")
    return [torch.stack([layer[row, : clip.n_frames] for layer in layers]).float() for row, clip in enumerate(batch)]


def torch_provenance(model: Any, *, tf32: bool = False) -> dict[str, Any]:
    """Versions, device, how attention is computed, and whether products are rounded to TF32; see `frozen_pass`."""
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
    """First line of an error's text, or its kind where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
