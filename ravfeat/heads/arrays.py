"""Read the arrays of a trained head: exactly those that its recipe implies, every number finite.

``safetensors`` holds numbers only, no code; its own checks refuse headers, offsets and shapes that do not fit the file.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import HeadError
from ravfeat.escape import printable
from ravfeat.numerics.float16 import all_finite

__all__ = ["MAX_BYTES", "ArrayKind", "largest_file", "read_arrays"]

MAX_BYTES = 4 << 30
"""Largest file of arrays. A kernel head holds its training rows: 100 kB a clip with all layers of a large encoder."""

_HEADER_BYTES = 1 << 20
_REMEDY = "fetch or train it again"
_DTYPES = {"F16": "float16", "F32": "float32", "F64": "float64"}


@dataclass(frozen=True)
class ArrayKind:
    """What an array of a trained head must be.

    Attributes
    ----------
    shape : tuple of (int or str)
        A text stands for any size, the same text for the same size.
    dtype : {"float16", "float32", "float64"}
    positive : bool
        Whether every number is above 0: what is divided by.
    """

    shape: tuple[int | str, ...]
    dtype: Literal["float16", "float32", "float64"] = "float32"
    positive: bool = False


def largest_file(kinds: Mapping[str, ArrayKind]) -> int:
    """Bytes that a file of such arrays may have."""
    if any(isinstance(size, str) for kind in kinds.values() for size in kind.shape):
        return MAX_BYTES
    sizes = (math.prod(map(int, kind.shape)) * np.dtype(kind.dtype).itemsize for kind in kinds.values())
    return min(MAX_BYTES, sum(sizes) + _HEADER_BYTES)


def read_arrays(data: bytes, kinds: Mapping[str, ArrayKind], where: str) -> dict[str, NDArray[Any]]:
    """Read the content of a safetensors file.

    Parameters
    ----------
    data : bytes
    kinds : mapping of str to ArrayKind
        What it must hold, and nothing else.
    where : str
        The file, for messages.

    Raises
    ------
    HeadError
        For a damaged file, other arrays, and numbers that are not finite or not positive.
    """
    import safetensors  # not above: who fuses the scores of other programs needs no heads

    try:
        tensors: dict[str, Any] = dict(safetensors.deserialize(data))  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError as error:
        raise HeadError(f"{where} is damaged ({printable(str(error))}); {_REMEDY}") from error
    if odd := sorted(tensors.keys() ^ kinds.keys()):
        state = "lacks" if odd[0] in kinds else "has an array too many,"
        raise HeadError(f"{where} {state} {odd[0]!r}: its recipe implies {', '.join(sorted(kinds))}; {_REMEDY}")
    _check_shapes(tensors, kinds, where)
    arrays = {
        name: np.frombuffer(tensors[name]["data"], kind.dtype).reshape(tensors[name]["shape"])
        for name, kind in kinds.items()
    }
    for name, values in arrays.items():
        _check_numbers(name, values, kinds[name], where)
    return arrays


def _check_shapes(tensors: Mapping[str, Any], kinds: Mapping[str, ArrayKind], where: str) -> None:
    sizes: dict[str, int] = {}
    for name, kind in kinds.items():
        shape, dtype = tuple(tensors[name]["shape"]), tensors[name]["dtype"]
        if len(shape) == len(kind.shape):  # the first array that has such a size says what it is
            sizes |= {size: n for size, n in zip(kind.shape, shape, strict=True) if isinstance(size, str) and n} | sizes
        expected = tuple(sizes.get(size, 1) if isinstance(size, str) else size for size in kind.shape)
        if shape != expected or _DTYPES.get(dtype) != kind.dtype:
            raise HeadError(
                f"{where}: '{name}' is {dtype} of shape {shape}, its recipe implies {kind.dtype} of shape {expected};"
                f" {_REMEDY}"
            )


def _check_numbers(name: str, values: NDArray[Any], kind: ArrayKind, where: str) -> None:
    if not all_finite(values):
        wrong = int(np.count_nonzero(~np.isfinite(values)))
        raise HeadError(f"{where}: '{name}' has {wrong} of {values.size} numbers that are not finite; {_REMEDY}")
    if kind.positive and (values <= 0).any():
        raise HeadError(
            f"{where}: '{name}' has numbers down to {values.min()}, expected more than 0: features are divided by it;"
            f" {_REMEDY}"
        )
