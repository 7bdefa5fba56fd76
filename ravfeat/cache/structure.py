"""Refuse HDF5 files that are more than plain arrays: links, external or virtual storage, unknown filters, bombs.

A shard from a stranger could point to other files of the machine, or claim arrays far larger than itself. Everything
that is read from a shard passes here first, when it is opened.
"""

from pathlib import Path

import h5py

from ravfeat.errors import ShardError

__all__ = ["check_structure"]

_GROUPS = ("clips", "failed", "frames", "clips/further")
_FILTERS = frozenset(
    {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF}
)
_MAX_MEMBERS = 1000
_MAX_RATIO = 200
"""Largest size of a compressed array over its size in the file; features shrink by a few per cent."""


def check_structure(path: Path, file: h5py.File) -> None:
    """Check every array that ravfeat reads from a shard.

    Raises
    ------
    ShardError
        For soft and external links, arrays in other files, virtual arrays, unknown filters, types that are neither
        numbers nor text, and arrays larger than what the file can hold.
    """
    _check_array(path, file, "features")
    for name in _GROUPS:
        if name == "clips/further" and "further" not in file["clips"]:
            continue  # only where the corpus's table has more columns
        parent, _, child = name.rpartition("/")
        group = _member(path, file[parent] if parent else file, child)
        if not isinstance(group, h5py.Group) or len(group) > _MAX_MEMBERS:
            raise ShardError(f"{path} is not a plain shard: '{name}' is not a group of at most {_MAX_MEMBERS} arrays")
        for member in group:
            if f"{name}/{member}" not in _GROUPS:
                _check_array(path, group, member)


def _member(path: Path, group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    link = group.get(name, getlink=True)
    if link is None:
        raise KeyError(f"no '{name}'")
    if not isinstance(link, h5py.HardLink):
        raise ShardError(f"{path} is not a plain shard: '{name}' is a link to another place; do not use it")
    return group[name]


def _check_array(path: Path, group: h5py.Group, name: str) -> None:
    array = _member(path, group, name)
    problem = "is not an array" if not isinstance(array, h5py.Dataset) else _problem(array)
    if problem:
        raise ShardError(f"{path} is not a plain shard: '{name}' {problem}; do not use it")


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
    chunked = properties.get_layout() == h5py.h5d.CHUNKED
    if array.nbytes > stored * (_MAX_RATIO if chunked else 1):
        return f"claims {array.nbytes} bytes and has {stored}"
    return ""
