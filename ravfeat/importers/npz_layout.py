"""Read the layout of an npz file (names, offsets, shapes) without loading its features."""

import math
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import CorpusError, UsageError
from ravfeat.importers.base import FACTS, Timed

__all__ = ["BROKEN", "NpzLayout", "read_layout"]

BROKEN = (OSError, zipfile.BadZipFile, zlib.error, ValueError, EOFError, NotImplementedError)
"""What a damaged npz file raises."""

_RESERVED = frozenset({"names", "offsets", *FACTS})

_MAX_RATIO = 100
_FREE_BYTES = 64 << 20
"""An array may unpack to so many bytes, and so many times its size in the file: features shrink to a half at best."""


@dataclass(frozen=True)
class _Header:
    shape: tuple[int, ...]
    dtype: "np.dtype[Any]"


@dataclass(frozen=True)
class NpzLayout:
    """Layout of one file with N clips and F rows.

    Attributes
    ----------
    array : str
        Name of the feature array.
    shape : tuple of int
        Of one row.
    timed : {"times", "frames", "rows", "clip"}
    facts : mapping of str to str
        A value of `FACTS` → the array that holds it.
    named : bool
        Whether the file has clip names.
    names : tuple of str
        Of its N clips.
    offsets : ndarray of shape (N + 1,)
        Clip ``i`` has the rows from ``offsets[i]`` to ``offsets[i + 1]``.
    times_s : ndarray of shape (F,), float64, or None
        Time of every row; None where the file has no times.
    """

    array: str
    shape: tuple[int, ...]
    timed: Timed
    facts: Mapping[str, str]
    named: bool
    names: tuple[str, ...]
    offsets: NDArray[np.int64]
    times_s: NDArray[np.float64] | None


def read_layout(path: Path, name: str, wanted: str | None = None) -> NpzLayout:
    """Read the layout of one file.

    Parameters
    ----------
    path : Path
    name : str
        Of the file, relative to the imported folder; the name of its clip where the file has no names.
    wanted : str, optional
        The feature array; None takes the only candidate.

    Raises
    ------
    CorpusError
        Where the file is damaged, holds objects where texts or numbers should be, or contradicts itself.
    UsageError
        Where ``wanted`` is none of its arrays, or is None and there are several candidates.
    """
    try:
        headers = _headers(path)
        with np.load(path, allow_pickle=False) as file:
            loadable = _loadable(path, headers)
            arrays = {key: file[key] for key in ("names", "offsets", "timestamp", "time_s") if key in loadable}
    except BROKEN as error:
        raise CorpusError(f"{path} cannot be read as npz ({error}); make it again") from error
    n_rows: int | None = None
    timed: Timed | None = None
    names: tuple[str, ...] = (PurePosixPath(name).with_suffix("").as_posix(),)
    if "names" in arrays:
        names = _texts(path, arrays["names"])
        n_rows = len(names)
    if "offsets" in arrays:
        n_rows = _check_offsets(path, arrays["offsets"], len(names))
    elif "names" in arrays:
        timed = "clip"
    # The number of rows tells features from arrays that describe something else.
    array = _feature_array(path, headers, wanted, n_rows)
    n_rows = headers[array].shape[0]
    facts = {fact: key for key, fact in FACTS.items() if key in headers}
    for key in facts.values():
        if headers[key].shape != (n_rows,) or headers[key].dtype.kind not in "fiub":
            raise CorpusError(
                f"{path}: '{key}' is {_describe(headers[key])}; expected one number for each of {n_rows} rows"
            )
    # Without offsets: a row for each name, or all rows for the only clip.
    whole = np.arange(len(names) + 1, dtype=np.int64) if timed else np.array([0, n_rows], np.int64)
    return NpzLayout(
        array=array,
        shape=headers[array].shape[1:],
        timed=timed or ("times" if "time_s" in facts else "frames" if "frame" in facts else "rows"),
        facts=facts,
        named="names" in arrays,
        names=names,
        offsets=arrays["offsets"].astype(np.int64) if "offsets" in arrays else whole,
        times_s=arrays[facts["time_s"]].astype(np.float64) if "time_s" in facts else None,
    )


def _headers(path: Path) -> dict[str, _Header]:
    """Read shape and dtype of every array; refuse arrays that are larger than what the file can hold."""
    # np.load would decompress whole arrays to tell their shapes; the .npy header at the start of a member is enough.
    headers = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if not member.filename.endswith(".npy"):
                continue
            name = member.filename.removesuffix(".npy")
            with archive.open(member) as file:
                headers[name] = _header(file)
            claimed = math.prod(headers[name].shape) * headers[name].dtype.itemsize
            pickled = headers[name].dtype.hasobject  # never loaded, and its size says nothing
            unpacked = member.file_size if pickled else max(member.file_size, claimed)
            if unpacked > member.file_size or unpacked > _MAX_RATIO * member.compress_size + _FREE_BYTES:
                raise CorpusError(
                    f"{path}: '{name}' has {member.compress_size} bytes and claims {unpacked}; do not use the file, or"
                    " write it again with np.savez"
                )
    return headers


def _header(file: IO[bytes]) -> _Header:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    # The middle value, Fortran order, does not matter here: np.load restores it.
    shape, _, dtype = read(file)
    return _Header(shape, dtype)


def _loadable(path: Path, headers: Mapping[str, _Header]) -> Mapping[str, _Header]:
    for key in ("names", "offsets"):
        if key in headers and headers[key].dtype.hasobject:
            raise CorpusError(
                f"{path}: '{key}' is an array of Python objects, which is never loaded; save it as"
                f" np.array({key}, dtype={'str' if key == 'names' else 'int'})"
            )
    return headers


def _texts(path: Path, names: NDArray[Any]) -> tuple[str, ...]:
    if names.ndim != 1 or names.dtype.kind not in "US":
        raise CorpusError(f"{path}: 'names' is {names.dtype} of shape {names.shape}; expected one text per clip")
    if names.dtype.kind == "S":
        names = np.char.decode(names, "utf-8")
    return tuple(map(str, names))


def _check_offsets(path: Path, offsets: NDArray[Any], n_clips: int) -> int:
    fits = offsets.dtype.kind in "iu" and offsets.shape == (n_clips + 1,)
    if not fits or offsets[0] != 0 or (np.diff(offsets.astype(np.int64)) < 0).any():
        raise CorpusError(
            f"{path}: 'offsets' is {offsets.dtype} of shape {offsets.shape}; expected {n_clips + 1} integers that start"
            " with 0 and never fall, one more than there are names"
        )
    return int(offsets[-1])


def _feature_array(path: Path, headers: Mapping[str, _Header], wanted: str | None, n_rows: int | None) -> str:
    numeric = {
        key: header
        for key, header in headers.items()
        if key not in _RESERVED and header.dtype.kind in "fiu" and header.shape
    }
    fitting = {key: header for key, header in numeric.items() if n_rows is None or header.shape[0] == n_rows}
    listed = ", ".join(f"{key} {_describe(header)}" for key, header in (fitting or headers).items())
    rows = "" if n_rows is None else f" of {n_rows} rows"
    if wanted is not None:
        if wanted not in fitting:
            raise UsageError(f"{path}: --array {wanted} names no array of numbers{rows}; there are {listed or 'none'}")
        return wanted
    if not fitting:
        raise CorpusError(f"{path} holds no array of numbers{rows}; there are {listed or 'none'}")
    if len(fitting) > 1:
        raise UsageError(f"{path} holds several arrays{rows}, choose one with --array: {listed}")
    return next(iter(fitting))


def _describe(header: _Header) -> str:
    return f"{header.dtype} {header.shape}"
