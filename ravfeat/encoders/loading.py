"""Load a Hugging Face `transformers` model from a folder: all weights present, frozen, in float32."""

import json
import pickle
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers

from ravfeat.encoders.hidden_states import first_line
from ravfeat.encoders.weights import WeightFolder
from ravfeat.errors import EncoderError

__all__ = ["check_whole", "library_folder", "load_config", "load_model", "quiet", "reason_of", "to_device"]

_PREFIX = "ravfeat-model-"
_LAYER = re.compile(r"(?:.*\.)?(?:layers?|blocks)\.\d+(?=\.)")
"""Beginning of a weight's name, up to the number of its layer."""


@contextmanager
def library_folder(folder: WeightFolder, preprocessor: Mapping[str, Any] | None = None) -> Iterator[Path]:
    """Context with a temporary folder that holds what was read and digested, and nothing else.

    `transformers` looks by itself for further files: adapters, other configurations, other weights. In this folder
    it finds the configuration, links to the weight files, and the given settings of a preprocessor.

    Raises
    ------
    OSError
        Where there is no place for temporary files.
    """
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as name:
        place = Path(name)
        (place / "config.json").write_text(json.dumps(folder.config), encoding="utf-8")
        if preprocessor is not None:
            (place / "preprocessor_config.json").write_text(json.dumps(preprocessor), encoding="utf-8")
        for file in (*folder.files, *([folder.index] if folder.index else [])):
            (place / file.name).symlink_to(file.absolute())
        yield place


def reason_of(error: BaseException, folder: WeightFolder) -> str:
    """Return the first line of an error of `transformers`, with the folder's path in place of the temporary one."""
    return re.sub(rf"[^\s'\"]*/{_PREFIX}\w+", lambda _: str(folder.path), first_line(error))


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
    if not folder.config["model_type"]:
        raise EncoderError(f"{folder.path / 'config.json'} names no model_type; expected {readable}")
    try:
        with library_folder(folder) as place:
            return transformers.AutoConfig.from_pretrained(place, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise EncoderError(
            f"{folder.path / 'config.json'} cannot be used by transformers {transformers.__version__}"
            f" ({reason_of(error, folder)})"
        ) from error


def load_model(folder: WeightFolder) -> tuple[Any, dict[str, Any]]:
    """Load the model without its task head.

    Returns
    -------
    model : transformers.PreTrainedModel
        Float32, on the CPU.
    report : dict
        Missing, mismatched and unexpected weights, for `check_whole`.

    Raises
    ------
    EncoderError
        Where the files cannot be read.
    """
    try:
        # No code from a model's folder is run, and nothing is fetched. Float32, whatever precision the file has.
        with quiet(), library_folder(folder) as place:
            model, report = transformers.AutoModel.from_pretrained(
                place, dtype=torch.float32, local_files_only=True, output_loading_info=True, trust_remote_code=False,
                use_safetensors=folder.files[0].suffix == ".safetensors", weights_only=True,
            )  # fmt: skip
    except Exception as error:
        # torch advises to read such a file all the same, which could run any code.
        unsafe = "its pickle is damaged or holds Python objects, which could run code; save it as safetensors"
        reason = unsafe if isinstance(error, pickle.UnpicklingError) else reason_of(error, folder)
        raise EncoderError(f"{folder.path} cannot be loaded by transformers ({reason})") from error
    # How results are handed over; false in a configuration would make them tuples.
    model.config.return_dict = True
    return model, report


def check_whole(folder: WeightFolder, model: Any, report: dict[str, Any], *, unused: tuple[str, ...] = ()) -> None:
    """Refuse a model with missing weights, which would be initialised at random, or without layers that a file holds.

    Parameters
    ----------
    folder : WeightFolder
    model : transformers.PreTrainedModel
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
    # Other unexpected weights are those of task heads. A layer has no place only where the configuration has fewer.
    layers = {match[0] for key in report.get("unexpected_keys", ()) if (match := _LAYER.match(key))}
    modules = dict(model.named_modules())
    if left := sorted(layer for layer in layers - modules.keys() if layer.rpartition(".")[0] in modules):
        raise EncoderError(
            f"{folder.path} holds layers that its config.json does not know, {left[0]} and {len(left) - 1} more;"
            " correct the number of layers there, or save the smaller model (save_pretrained)"
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
