"""Save and load trained heads: arrays as safetensors, everything else as TOML beside them.

``STEM.safetensors`` holds what was learned; ``STEM.toml`` holds the format version, the head's
settings, what was chosen, and the learned layer weights, for people to read.
"""

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from ravfeat.errors import HeadError
from ravfeat.heads.base import Model
from ravfeat.heads.registry import restore

__all__ = ["FORMAT_VERSION", "load_model", "save_model"]

FORMAT_VERSION = 1


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


def load_model(stem: Path, *, device: str = "cpu") -> Model:
    """Read a trained head back; it gives the logits it gave before.

    Raises
    ------
    HeadError
        If a file is missing or damaged, or was written by a newer version.
    """
    tensors, recipe_path = _paths(stem)
    for path in (tensors, recipe_path):
        if not path.is_file():
            raise HeadError(f"no trained head at {stem}: {path.name} is missing")
    try:
        document = tomllib.loads(recipe_path.read_text(encoding="utf-8"))
        arrays = load_file(tensors)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, SafetensorError) as error:
        raise HeadError(f"the trained head at {stem} is damaged ({error}); train it again") from error
    version = document.get("format_version")
    if document.get("format") != "ravfeat-head" or version != FORMAT_VERSION:
        raise HeadError(
            f"{recipe_path} has format {document.get('format')} version {version}, this ravfeat reads ravfeat-head "
            f"version {FORMAT_VERSION}; train it again or use the version that wrote it"
        )
    return restore(arrays, document["recipe"], device=device)


def _paths(stem: Path) -> tuple[Path, Path]:
    return stem.with_name(stem.name + ".safetensors"), stem.with_name(stem.name + ".toml")
