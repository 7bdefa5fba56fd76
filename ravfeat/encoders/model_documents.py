"""Read and check the JSON files of a model folder: ``config.json`` and those of its preprocessor.

Only the fields that are read here, or that could make loading endless, are checked; a family's own fields are checked
by `transformers`.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Required, TypeVar

from annotated_types import Interval, Len
from typing_extensions import TypedDict

from ravfeat.documents import check_value, read_json
from ravfeat.errors import EncoderError
from ravfeat.files import describe_stand_in

__all__ = ["MAX_SIDE", "PREPROCESSORS", "check_settings", "only_settings", "read_config", "read_preprocessors"]

PREPROCESSORS = ("preprocessor_config.json", "processor_config.json")
"""Files that say how a model's input is made. `transformers` 5 writes the second for a processor."""

MAX_SIDE = 4096
"""Largest side of a picture, in pixels."""

_MAX_BYTES = 16 << 20
_MAX_SIZE = 1 << 18  # of a vocabulary; all other numbers are far below
_MAX_LAYERS = 1000
_REMEDY = "save the model again (save_pretrained), or fetch the folder again"
_KERNELS = {None, "eager", "sdpa"}

T = TypeVar("T")
_Size = Annotated[int, Interval(ge=1, le=_MAX_SIZE)]
_Layers = Annotated[int, Interval(ge=1, le=_MAX_LAYERS)]
_PerConvolution = Annotated[list[Annotated[int, Interval(ge=1, le=1 << 16)]], Len(1, 64)]


class _Config(TypedDict, total=False):
    model_type: Required[str]
    num_hidden_layers: _Layers | None
    encoder_layers: _Layers | None
    hidden_size: _Size | None
    d_model: _Size | None
    num_mel_bins: _Size | None
    max_source_positions: _Size | None
    conv_kernel: _PerConvolution
    conv_stride: _PerConvolution
    conv_dim: _PerConvolution


def read_config(path: Path) -> dict[str, Any]:
    """Read a model's ``config.json``.

    Raises
    ------
    EncoderError
        Where it is missing, no JSON object, names other files, or holds numbers that no model has.
    """
    config = _read(path)
    check_value(config, _Config, str(path), EncoderError, _REMEDY)
    _check_sizes(config, str(path))
    for key, value in config.items():
        # A kernel's name may be a repository whose code would be fetched and run.
        if "attn_implementation" in key and value not in _KERNELS and isinstance(value, str | dict):
            raise EncoderError(f"{path}: {key} names the kernel {value!r}; remove the key")
    if config.get("quantization_config") is not None:
        raise EncoderError(
            f"{path} has the key 'quantization_config': what such a model gives depends on the library and the device;"
            " take the model as it was before, or save it dequantised"
        )
    if config.keys() & {"configuration_files", "transformers_weights"}:
        raise EncoderError(f"{path} names further files as configuration or weights, which are not read; {_REMEDY}")
    return config


def read_preprocessors(folder: Path, *keys: str) -> dict[str, dict[str, Any]]:
    """Read what a model folder says about its preprocessor.

    Parameters
    ----------
    folder : Path
    *keys : str
        Names that the preprocessor may have in ``processor_config.json``; the first that is there counts.

    Returns
    -------
    dict of str to dict
        Settings by the place where they stand, for messages; empty settings are left out.

    Raises
    ------
    EncoderError
        Where a file cannot be read as a JSON object.
    """
    settings: dict[str, dict[str, Any]] = {}
    alone, nested = (folder / name for name in PREPROCESSORS)
    if alone.is_symlink() or alone.exists():
        settings[str(alone)] = _read(alone)
    if nested.is_symlink() or nested.exists():
        document = _read(nested)
        key = next((key for key in keys if document.get(key) is not None), None)
        if key is not None:
            where = f"{nested}, {key}"
            settings[where] = check_value(document[key], dict[str, Any], where, EncoderError, _REMEDY)
    return {where: values for where, values in settings.items() if values}


def check_settings(settings: object, kind: type[T], where: str) -> T:
    """Check the settings of a preprocessor against a schema; see `ravfeat.documents.check_value`."""
    return check_value(settings, kind, where, EncoderError, _REMEDY)


def only_settings(by_place: Mapping[str, T]) -> T:
    """Return what all places say.

    Raises
    ------
    EncoderError
        Where two of them contradict each other.
    """
    (where, settings), *others = by_place.items()
    for other, its in others:
        if its != settings:
            raise EncoderError(
                f"{where} and {other} contradict each other ({settings} and {its}); delete the wrong one of the two"
            )
    return settings


def _read(path: Path) -> dict[str, Any]:
    if path.is_file():
        try:
            stand_in = describe_stand_in(path, "model's settings")
        except OSError as error:
            raise EncoderError(f"{path} cannot be read ({error.strerror}); check who may read it") from error
        if stand_in:
            raise EncoderError(f"{path} {stand_in}")
    return read_json(path, dict[str, Any], EncoderError, _REMEDY, limit=_MAX_BYTES)


def _check_sizes(config: Mapping[str, Any], where: str) -> None:
    """Refuse numbers that no model has; identifiers of tokens build nothing, and may be large."""
    for key, value in config.items():
        if isinstance(value, dict):
            _check_sizes(value, f"{where}: {key}")
        limit = _MAX_LAYERS if re.search("layers|depth|blocks|stages", key) else _MAX_SIZE
        for number in value if isinstance(value, list) else [value]:
            if re.search("drop(out)?$", key) and isinstance(number, int | float) and not 0 <= number <= 1:
                raise EncoderError(f"{where}: {key} is {number}, expected a share from 0 to 1; {_REMEDY}")
            if isinstance(number, int) and abs(number) > limit and not key.endswith(("_id", "_ids", "seed")):
                raise EncoderError(f"{where}: {key} is {number}, expected at most {limit}; {_REMEDY}")
