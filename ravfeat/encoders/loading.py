"""Load a Hugging Face `transformers` model from a folder: all weights present, frozen, in float32."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import transformers

from ravfeat.encoders.hidden_states import first_line
from ravfeat.encoders.weights import WeightFolder
from ravfeat.errors import EncoderError

__all__ = ["check_whole", "load_config", "load_model", "quiet", "to_device"]


def load_config(folder: WeightFolder, *, readable: str) -> Any:
    """Load the configuration.

    Parameters
    ----------
    folder : WeightFolder
    readable : str
        Description of the supported models, for messages.

    Raises
    ------
    EncoderError
        Where transformers does not support the family or its settings.
    """
    if "model_type" not in folder.config:
        raise EncoderError(f"{folder.path / 'config.json'} names no model_type; expected {readable}")
    try:
        return transformers.AutoConfig.from_pretrained(folder.path, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise EncoderError(
            f"{folder.path / 'config.json'} cannot be used by transformers {transformers.__version__}"
            f" ({first_line(error)})"
        ) from error


def load_model(folder: WeightFolder) -> tuple[Any, dict[str, Any]]:
    """Load the model without its task head.

    Returns
    -------
    model : transformers.PreTrainedModel
        Float32, on the CPU.
    report : dict
        Missing and mismatched weights, for `check_whole`.

    Raises
    ------
    EncoderError
        Where the files cannot be read.
    """
    try:
        # No code from a model's folder is run, and nothing is fetched. Float32, whatever precision the file has.
        with quiet():
            model, report = transformers.AutoModel.from_pretrained(
                folder.path, dtype=torch.float32, local_files_only=True, output_loading_info=True,
                trust_remote_code=False,
            )  # fmt: skip
    except Exception as error:
        raise EncoderError(f"{folder.path} cannot be loaded by transformers ({first_line(error)})") from error
    return model, report


def check_whole(folder: WeightFolder, report: dict[str, Any], *, unused: tuple[str, ...] = ()) -> None:
    """Refuse a model with missing weights, which would be initialised at random.

    Parameters
    ----------
    folder : WeightFolder
    report : dict
        From `load_model`.
    unused : tuple of str
        Prefixes of weights that the encoder never uses.

    Raises
    ------
    EncoderError
    """
    # Mask embeddings replace frames or patches in pre-training only; evaluation never uses them.
    never_read = ("masked_spec_embed", "mask_token")
    absent = sorted(
        key for key in report["missing_keys"] if not key.startswith(unused) and not key.endswith(never_read)
    )
    wrong = [str(key) for key in report.get("mismatched_keys", ())]
    if absent or wrong:
        raise EncoderError(
            f"{folder.path} does not hold all weights of its model: {len(absent)} are missing"
            f" ({', '.join(absent[:3])} …), {len(wrong)} have another shape;"
            " a frozen encoder must not run on random weights"
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers' report of weights that it did not load: task heads and decoders are not needed."""
    log = transformers.utils.logging
    level = log.get_verbosity()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)


def to_device(model: Any, device: str) -> Any:
    """Freeze a model and move it to its device.

    Raises
    ------
    EncoderError
        Where the device does not exist or lacks memory.
    """
    try:
        # Without CUDA in the build torch raises an AssertionError, without memory a RuntimeError.
        return model.eval().requires_grad_(requires_grad=False).to(device)
    except (RuntimeError, AssertionError) as error:
        raise EncoderError(f"the encoder cannot be put on '{device}' ({first_line(error)})") from error
