"""Refuse HDF5 files that are more than plain arrays: links, external or virtual storage, unknown filters, bombs.

A shard from a stranger could point to other files of the machine, or claim arrays far larger than itself. Everything
that is read from a shard passes here first, when it is opened.
"""

from pathlib import Path

import h5py
import numpy as np

from ravfeat.errors import ShardError

__all__ = ["check_structure"]

_GROUPS = ("clips", "failed", "frames", "clips/further")
_FILTERS = frozenset(
    {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF}
)
_MAX_MEMBERS = 200
_MAX_ROWS = 10_000  # clips in a shard; `ravfeat.cache.format.MAX_SHARD_CLIPS` is what is written
_MAX_METADATA_BYTES = 256 << 20  # all arrays but the features
_MAX_CHUNK_BYTES = 1 << 20  # compressed: HDF5 unpacks a chunk to whatever it becomes, at most a thousand times as much
_MAX_RATIO = 20
"""Largest size of compressed features over their size in the file; they shrink by a few per cent."""


def check_structure(path: Path, file: h5py.File) -> None:
    """Check every array that ravfeat reads from a shard.

    Raises
    ------
    ShardError
        For soft and external links, arrays in other files, virtual arrays, unknown filters, types that are neither
        numbers nor text, and arrays larger than what the file can hold.
    """
    features = _checked_array(path, file, "features")
    stored = features.id.get_storage_size()
    if features.nbytes > stored * _MAX_RATIO:
        raise ShardError(f"{path} is not a plain shard: 'features' claims {features.nbytes} bytes and has {stored}")
    metadata_bytes = 0
    if file.get("feature_names", getlink=True) is not None:  # asking whether it is `in` the file would follow a link
        metadata_bytes = (names := _checked_array(path, file, "feature_names")).nbytes
        if names.ndim != 1 or len(names) > features.shape[-1]:
            raise ShardError(f"{path} is not a plain shard: 'feature_names' has the shape {names.shape}; do not use it")
    for name in _GROUPS:
        if name == "clips/further" and "further" not in file["clips"]:
            continue  # only where the corpus's table has more columns
        parent, _, child = name.rpartition("/")
        group = _member(path, file[parent] if parent else file, child)
        if not isinstance(group, h5py.Group) or len(group) > _MAX_MEMBERS:
            raise ShardError(f"{path} is not a plain shard: '{name}' is not a group of at most {_MAX_MEMBERS} arrays")
        for member in group:
            if f"{name}/{member}" in _GROUPS:
                continue
            array = _checked_array(path, group, member)
            metadata_bytes += array.nbytes
            if name != "frames" and array.shape[:1] > (_MAX_ROWS,):
                raise ShardError(f"{path} is not a plain shard: '{name}' has {len(array)} rows; do not use it")
    if metadata_bytes > _MAX_METADATA_BYTES:
        raise ShardError(f"{path} is not a plain shard: its metadata claim {metadata_bytes} bytes; do not use it")


def _member(path: Path, group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    link = group.get(name, getlink=True)
    if link is None:
        raise KeyError(f"no '{name}'")
    if not isinstance(link, h5py.HardLink):
        raise ShardError(f"{path} is not a plain shard: '{name}' is a link to another place; do not use it")
    return group[name]


def _checked_array(path: Path, group: h5py.Group, name: str) -> h5py.Dataset:
    array = _member(path, group, name)
    problem = "is not an array" if not isinstance(array, h5py.Dataset) else _problem(array)
    if problem:
        raise ShardError(f"{path} is not a plain shard: '{name}' {problem}; do not use it")
    return array


def _problem(array: h5py.Dataset) -> str:
    properties = array.id.get_create_plist()
    if properties.get_layout() == h5py.h5d.VIRTUAL or array.is_virtual:
        return "is put together from other files"
    if properties.get_external_count():
        return "lies in another file"
    if array.dtype.kind not in "fiuS" and h5py.check_string_dtype(array.dtype) is None:
        return f"has the type {array.dtype}, expected numbers or text"
    if {properties.get_filter(number)[0] for number in range(properties.get_nfilters())} - _FILTERS:
        return "has an unknown filter"
    stored = array.id.get_storage_size()
    if array.chunks is None:
        return f"claims {array.nbytes} bytes and has {stored}" if array.nbytes > stored else ""
    if int(np.prod(array.chunks)) * array.dtype.itemsize > max(array.nbytes, _MAX_CHUNK_BYTES):
        return f"has chunks of the shape {array.chunks}, expected at most its size"
    if properties.get_nfilters() and stored > _MAX_CHUNK_BYTES and _largest_chunk(array) > _MAX_CHUNK_BYTES:
        return f"has compressed chunks of more than {_MAX_CHUNK_BYTES >> 20} MB in the file"
    return ""


def _largest_chunk(array: h5py.Dataset) -> int:
    sizes: list[int] = []
    array.id.chunk_iter(lambda chunk: sizes.append(chunk.size))
    return max(sizes, default=0)
