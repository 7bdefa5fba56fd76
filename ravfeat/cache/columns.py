"""Read attributes and columns of a shard, with the types and sizes that they must have.

Texts of variable length are pointers in HDF5: a small file can point to one large text very often. So texts are read
only after their sizes, which stand beside the pointers, were summed up.
"""

import os
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

__all__ = ["attribute_number", "attribute_numbers", "attribute_text", "read_column", "read_texts"]

_MAX_TEXT_BYTES = 4 << 20
"""Of the texts of one column; a shard has at most some hundred clips."""

_MAX_NUMBERS = 1_000_000
_POINTER = np.dtype([("size", "<u4"), ("heap", "<u8"), ("number", "<u4")])
"""How HDF5 stores a text of variable length, where addresses in the file have eight bytes."""

_KINDS = {int: "iu", float: "f"}


def attribute_text(file: h5py.File, name: str) -> str:
    """Read an attribute that holds one text.

    Raises
    ------
    ValueError
        Where it holds something else.
    """
    # Before it is read: an attribute may be an array of any size.
    attribute = file.attrs.get_id(name)
    if attribute.shape != () or h5py.check_string_dtype(attribute.dtype) is None:
        raise ValueError(f"attribute '{name}' has the type {attribute.dtype}{list(attribute.shape)}, expected one text")
    value = file.attrs[name]
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def attribute_number(file: h5py.File, name: str) -> int:
    """Read an attribute that holds one whole number; errors as `attribute_text`."""
    attribute = file.attrs.get_id(name)
    if attribute.shape != () or attribute.dtype.kind not in "iu":
        raise ValueError(
            f"attribute '{name}' has the type {attribute.dtype}{list(attribute.shape)}, expected one whole number"
        )
    return int(file.attrs[name])


def attribute_numbers(dataset: h5py.Dataset, name: str) -> tuple[int, ...]:
    """Read an attribute that holds whole numbers, at most a million; errors as `attribute_text`."""
    attribute = dataset.attrs.get_id(name)
    if len(attribute.shape) != 1 or attribute.shape[0] > _MAX_NUMBERS or attribute.dtype.kind not in "iu":
        raise ValueError(
            f"attribute '{name}' has the type {attribute.dtype}{list(attribute.shape)}, expected whole numbers"
        )
    return tuple(int(number) for number in dataset.attrs[name])


def read_column(group: h5py.Group, name: str, kind: type | None = None) -> list[Any]:
    """Read a column of texts or numbers as Python values.

    Parameters
    ----------
    group : h5py.Group
    name : str
    kind : {str, int, float}, optional
        What the column must hold; by default texts or floats, whichever it does.

    Raises
    ------
    ValueError
        Where it holds something else.
    """
    dataset = group[name]
    is_text = h5py.check_string_dtype(dataset.dtype) is not None
    fits = is_text if kind is str else dataset.dtype.kind in _KINDS.get(kind or float, "f") or (is_text and not kind)
    if dataset.ndim != 1 or not fits:
        expected = "one row of " + {str: "texts", int: "whole numbers", float: "numbers"}.get(kind or object, "values")
        raise ValueError(f"'{name}' has the type {dataset.dtype}{list(dataset.shape)}, expected {expected}")
    values: list[Any] = read_texts(dataset).tolist() if is_text else dataset[...].tolist()
    return values


def read_texts(dataset: h5py.Dataset) -> NDArray[np.object_]:
    """Read texts of at most 4 MB in all.

    Raises
    ------
    ValueError
        Where they have more.
    """
    sizes = _text_sizes(dataset)
    if sizes is not None:
        _check_size(dataset, int(sizes.sum(dtype=np.int64)))
        return np.asarray(dataset.asstr()[...], object)
    texts, size = [], 0
    for row in range(len(dataset)):
        texts.append(str(dataset.asstr()[row]))
        _check_size(dataset, size := size + len(texts[-1]))
    return np.array(texts, object)


def _text_sizes(dataset: h5py.Dataset) -> NDArray[Any] | None:
    """Read the sizes of texts without the texts; None where only HDF5 knows them."""
    kind = h5py.check_string_dtype(dataset.dtype)
    if kind.length is not None:  # of fixed length: they lie in the array itself
        return np.full(dataset.shape, kind.length)
    offset = dataset.id.get_offset()
    if offset is None or dataset.file.id.get_create_plist().get_sizes() != (8, 8) or not hasattr(os, "pread"):
        return None
    pointers = os.pread(int(dataset.file.id.get_vfd_handle()), len(dataset) * _POINTER.itemsize, offset)
    sizes: NDArray[Any] = np.frombuffer(pointers, _POINTER)["size"]
    return sizes


def _check_size(dataset: h5py.Dataset, size: int) -> None:
    if size > _MAX_TEXT_BYTES:
        raise ValueError(f"'{dataset.name}' holds texts of more than {_MAX_TEXT_BYTES >> 20} MB")
