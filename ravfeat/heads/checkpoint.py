"""Save and load trained heads: arrays as safetensors, everything else as TOML beside them.

``STEM.safetensors`` holds what was learned; ``STEM.toml`` holds the format version, the head's
settings, what was chosen, and the learned layer weights, for people to read.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from safetensors.numpy import save

from ravfeat.documents import check_value, parse_toml
from ravfeat.errors import HeadError
from ravfeat.escape import printable
from ravfeat.files import read_limited
from ravfeat.heads.arrays import largest_file, read_arrays
from ravfeat.heads.base import Model
from ravfeat.heads.own_code import OwnCode
from ravfeat.heads.recipe import HeadDocument, HeadFormat, NamedHead
from ravfeat.heads.registry import HEADS, head_of

__all__ = ["FORMAT_VERSION", "ReadFile", "is_kept", "load_model", "read_file", "save_model"]

FORMAT_VERSION = 1

ReadFile = Callable[[Path, int], bytes]

_MAX_RECIPE_BYTES = 1 << 20
_REMEDY = "fetch or train it again"


def read_file(path: Path, limit: int) -> bytes:
    """Read a regular file of at most so many bytes.

    Raises
    ------
    HeadError
        Where it is missing, larger, or something else.
    """
    return read_limited(path, limit, HeadError, "a trained head is two files: " + _REMEDY)


def is_kept(model: Model) -> bool:
    """Whether a model can be written: that of a user's own classifier is a Python object, and no set of arrays."""
    return bool(getattr(model, "kept", True))


def save_model(stem: Path, model: Model) -> None:
    """Write a trained head to ``STEM.safetensors`` and ``STEM.toml``.

    Parameters
    ----------
    stem : Path
        Path without suffix; its folder is made if missing. Each file appears whole or not at all,
        the recipe last.
    model : Model
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    weights = model.layer_weights
    document: dict[str, Any] = {"format": "ravfeat-head", "format_version": FORMAT_VERSION, "recipe": model.recipe}
    if weights is not None:
        document["layer_weights"] = {str(layer): weight for layer, weight in weights.items()}
    arrays = {name: np.ascontiguousarray(values) for name, values in model.arrays().items()}
    tensors, recipe = _paths(stem)
    # Written under another name and renamed, recipe last: a head with a recipe has its arrays.
    temporary = tensors.with_name(tensors.name + ".tmp")
    temporary.write_bytes(save(arrays))  # save_file would make a file that only its owner may read
    temporary.replace(tensors)
    temporary = recipe.with_name(recipe.name + ".tmp")
    temporary.write_text(tomli_w.dumps(document), encoding="utf-8")
    temporary.replace(recipe)


def load_model(
    stem: Path, *, device: str = "cpu", read: ReadFile = read_file, kinds: Mapping[str, Any] = HEADS
) -> Model:
    """Read a trained head back; it gives the logits it gave before.

    Parameters
    ----------
    stem : Path
    device : str
        Where a network scores clips.
    read : callable
        Gives the content of a file of at most so many bytes; a published head's checks the digest.
    kinds : mapping of str to class
        Heads that it may be of. Code that a recipe names is never loaded.

    Raises
    ------
    HeadError
        If a file is missing, damaged, too large or no regular one, was written by a newer version, or holds what does
        not fit together: a recipe with fields that contradict each other, other arrays than it implies, numbers that
        are not finite.
    """
    tensors, path = _paths(stem)
    document = parse_toml(read(path, _MAX_RECIPE_BYTES), dict[str, Any], str(path), HeadError, _REMEDY)
    _check_version(document, path)
    name = check_value(document, NamedHead, str(path), HeadError, _REMEDY)["recipe"]["head"]
    if name not in kinds:
        raise HeadError(f"{path}: {_unknown(document, name, kinds)}")
    checked = check_value(document, HeadDocument, str(path), HeadError, _REMEDY)
    recipe = document["recipe"]  # with keys that this version does not know: later ones may write some
    try:
        if isinstance(kinds[name], type) and issubclass(kinds[name], OwnCode):
            kinds[name].check_same(recipe, str(path))
        head = head_of(recipe, device=device, kinds=kinds)
        kinds = head.array_kinds(checked["recipe"])
    except HeadError as error:
        raise HeadError(f"{path}: {printable(str(error))}; {_REMEDY}") from error
    arrays = read_arrays(read(tensors, largest_file(kinds)), kinds, str(tensors))
    model = head.restore(arrays, recipe)
    _check_layer_weights(model, checked.get("layer_weights"), path)
    return model


def _unknown(document: Mapping[str, Any], name: str, kinds: Mapping[str, Any]) -> str:
    brought = document["recipe"].get("brought")
    if isinstance(brought, Mapping):
        reference = printable(str(brought.get("reference")))[:200]
        return (
            f"the head '{printable(name)}' is a user's own code, {reference}, which is no part of its files and never"
            " loaded unasked; such a head serves the run that trained it only"
        )
    return f"no head '{printable(name)}'; choose from {', '.join(kinds)}"


def _check_version(document: Mapping[str, Any], path: Path) -> None:
    version = check_value(document, HeadFormat, str(path), HeadError, _REMEDY)
    if version["format"] != "ravfeat-head" or version["format_version"] != FORMAT_VERSION:
        raise HeadError(
            f"{path} has format {version['format']!r} version {version['format_version']}, this ravfeat reads"
            f" ravfeat-head version {FORMAT_VERSION}; train it again or use the version that wrote it"
        )


def _check_layer_weights(model: Model, written: Mapping[str, float] | None, path: Path) -> None:
    learned = {str(layer): weight for layer, weight in (model.layer_weights or {}).items()}
    weights = written or {}
    if weights.keys() != learned.keys() or any(abs(weights[name] - learned[name]) > 1e-5 for name in learned):
        raise HeadError(f"{path}: layer_weights are not those of the arrays beside it; {_REMEDY}")


def _paths(stem: Path) -> tuple[Path, Path]:
    return stem.with_name(stem.name + ".safetensors"), stem.with_name(stem.name + ".toml")
