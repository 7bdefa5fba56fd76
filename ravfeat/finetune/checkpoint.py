"""Checkpoint files of a fine-tuning: tensors and what they belong to; a damaged file is not used.

safetensors with a JSON text in its metadata: no pickle. A digest over names, kinds and values tells a file that
was damaged on the disk; one that was cut short by a kill never gets its name (`ravfeat.files.replace_file`).
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ravfeat.documents import parse_json
from ravfeat.errors import HeadError
from ravfeat.files import replace_file

__all__ = ["read_tensors", "write_tensors"]

_log = logging.getLogger(__name__)

_KEY = "ravfeat.finetune"


def write_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write a file: whole or not at all, on the disk when this returns.

    Parameters
    ----------
    path : Path
    tensors : mapping of str to Tensor
    about : mapping
        Plain values; must tell the file apart from every other one that could have its name.
    """
    arrays = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    text = json.dumps({**about, "sha256": _digest(arrays)}, sort_keys=True)
    replace_file(path, save(arrays, {_KEY: text}))


def read_tensors(path: Path, about: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Read a file back.

    Parameters
    ----------
    path : Path
    about : mapping
        What `write_tensors` must have written.

    Returns
    -------
    tensors : dict of str to Tensor
    about : dict
        Everything that `write_tensors` wrote; or None in place of both where there is no file, or one that
        is damaged or another's: what it should hold is to be made again.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {})[_KEY]
            written = parse_json(text, dict[str, Any], "its metadata", HeadError, "it is not used")
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (no mapping)
            digest = _digest(tensors)
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, HeadError) as error:  # no bfloat16 in NumPy
        _log.warning("%s is damaged (%s) and not used: what it held is trained again", path, error)
        return None
    # Damage first: a damaged file is not asked whose it is.
    if written.pop("sha256", None) != digest:
        _log.warning("%s is damaged (its values are not those that were written): they are trained again", path)
        return None
    if odd := [name for name, value in tensors.items() if not value.isfinite().all()]:
        _log.warning("%s is damaged ('%s' holds NaN or Inf): what it held is trained again", path, odd[0])
        return None
    if different := [name for name in about if written.get(name) != about[name]]:
        _log.warning(
            "%s belongs to another training (%s): what it should hold is trained again", path, ", ".join(different)
        )
        return None
    return tensors, written


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        values = tensors[name]
        digest.update(json.dumps([name, str(values.dtype), list(values.shape)]).encode())
        digest.update(np.ascontiguousarray(values.reshape(-1).numpy()).data)
    return digest.hexdigest()
