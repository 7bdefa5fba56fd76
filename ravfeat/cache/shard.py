"""Read a shard file's metadata: attributes, clip records, times; everything but the features."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ravfeat.cache.format import (
    CLIP_COLUMNS,
    FAILED_COLUMNS,
    FORMAT,
    FORMAT_VERSION,
    ClipRecord,
    FailedClip,
)
from ravfeat.errors import ShardError
from ravfeat.files import canonical_json

__all__ = [
    "UNREADABLE",
    "ShardHeader",
    "check_version",
    "foreign",
    "metadata_sha256",
    "open_shard",
    "read_header",
    "stored_metadata_sha256",
]

UNREADABLE = (
    KeyError, ValueError, OSError, RuntimeError, TypeError, AttributeError, IndexError, OverflowError, MemoryError
)  # fmt: skip
"""Exceptions that h5py raises on damaged files; which one depends on the damage."""

_REMEDY = "delete it and run the same 'ravfeat extract' again"


@dataclass(frozen=True)
class ShardHeader:
    """Metadata of a shard.

    Attributes
    ----------
    number, about, identity, provenance, clips, failed
        See `ravfeat.cache.format.ShardContent`.
    fingerprint : str
        Of the identity, as stored.
    metadata_sha256 : str
        As stored; the function `metadata_sha256` computes the expected value.
    shape : tuple (L, F, D)
        Of the stored features.
    dtype : str
    layers : tuple of int
        Layer numbers in the attributes of the features.
    n_times : int
        Length of the time column.
    columns : mapping of str to int
        Names of the additional columns, and their lengths.
    """

    number: int
    about: Mapping[str, Any]
    identity: Mapping[str, Any]
    provenance: Mapping[str, Any]
    clips: tuple[ClipRecord, ...]
    failed: tuple[FailedClip, ...]
    fingerprint: str
    metadata_sha256: str
    shape: tuple[int, ...]
    dtype: str
    layers: tuple[int, ...]
    n_times: int
    columns: Mapping[str, int]


def metadata_sha256(
    number: int,
    about: Mapping[str, Any],
    identity: Mapping[str, Any],
    provenance: Mapping[str, Any],
    clips: Sequence[ClipRecord],
    failed: Sequence[FailedClip],
    times_s: NDArray[np.float64],
    columns: Mapping[str, NDArray[np.float32]] = MappingProxyType({}),
) -> str:
    """Compute the digest of a shard without its features (which have one digest per clip)."""
    value: dict[str, Any] = {
        "number": number,
        "about": about,
        "identity": identity,
        "provenance": provenance,
        "clips": [asdict(clip) for clip in clips],
        "failed": [asdict(clip) for clip in failed],
        "time_s": hashlib.sha256(np.ascontiguousarray(times_s, dtype="<f8").data).hexdigest(),
    }
    # Shards without columns keep the digest that they had before columns existed.
    if columns:
        value["frames"] = {
            name: hashlib.sha256(np.ascontiguousarray(column, dtype="<f4").tobytes()).hexdigest()
            for name, column in columns.items()
        }
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


@contextmanager
def open_shard(path: Path) -> Iterator[h5py.File]:
    """Open a shard for reading.

    Raises
    ------
    ShardError
        Where the file is missing, is not HDF5, or is not a shard of a supported version.
    """
    try:
        # Shards are replaced by a rename, never changed in place, so HDF5's own file lock protects nothing here; some
        # network file systems refuse it.
        file = h5py.File(path, "r", locking=False)
    except FileNotFoundError as error:
        raise ShardError(f"{path} is missing; run the same 'ravfeat extract' again to make it") from error
    except OSError as error:
        raise ShardError(f"{path} cannot be opened as HDF5 ({error}); {_REMEDY}") from error
    with file:
        check_version(path, file)
        yield file


def check_version(path: Path, file: h5py.File) -> None:
    """Refuse a file that is not a shard of a supported version."""
    try:
        kind, version = file.attrs.get("format"), int(file.attrs.get("version", 0))
    except UNREADABLE as error:
        raise ShardError(f"{path} is damaged: its attributes cannot be read ({error}); {_REMEDY}") from error
    if kind != FORMAT:
        raise ShardError(f"{path} is not a ravfeat shard: its 'format' is {kind!r}, expected '{FORMAT}'")
    if not 1 <= version <= FORMAT_VERSION:
        raise ShardError(f"{path} has format version {version}, this ravfeat reads 1 to {FORMAT_VERSION}; upgrade it")


def read_header(path: Path) -> ShardHeader:
    """Read the metadata and check its digest.

    Raises
    ------
    ShardError
        Where the file cannot be read as a shard, or its metadata were changed.
    """
    with open_shard(path) as file:
        try:
            # The digest of the metadata covers times and columns, so they are read; each clip's features have their
            # own.
            times_s = file["frames/time_s"][...]
            columns = {name: file["frames"][name][...] for name in file["frames"] if name != "time_s"}
            header = _header(file, len(times_s), {name: len(column) for name, column in columns.items()})
            facts = (header.number, header.about, header.identity, header.provenance, header.clips, header.failed)
            should_be = metadata_sha256(*facts, times_s, columns)
        except UNREADABLE as error:
            raise ShardError(f"{path} is damaged: its metadata cannot be read ({error}); {_REMEDY}") from error
    if header.metadata_sha256 != should_be:
        raise ShardError(f"{path} is damaged: its metadata do not match their digest; {_REMEDY}")
    return header


def _header(file: h5py.File, n_times: int, columns: Mapping[str, int]) -> ShardHeader:
    features = file["features"]
    return ShardHeader(
        number=int(file.attrs["shard"]),
        about=json.loads(file.attrs["about"]),
        identity=json.loads(file.attrs["identity"]),
        provenance=json.loads(file.attrs["provenance"]),
        clips=tuple(ClipRecord(*row) for row in _read_table(file["clips"], CLIP_COLUMNS)),
        failed=tuple(FailedClip(*row) for row in _read_table(file["failed"], FAILED_COLUMNS)),
        fingerprint=str(file.attrs["fingerprint"]),
        metadata_sha256=str(file.attrs["metadata_sha256"]),
        shape=tuple(int(n) for n in features.shape),
        dtype=str(features.dtype.name),
        layers=tuple(int(n) for n in features.attrs["layers"]),
        n_times=n_times,
        columns=columns,
    )


def _read_table(group: h5py.Group, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    # One dataset per column in the file; rows are put together here.
    arrays = []
    for name in columns:
        dataset = group[name]
        values = dataset.asstr()[...] if h5py.check_string_dtype(dataset.dtype) else dataset[...]
        arrays.append(values.tolist())
    return zip(*arrays, strict=True)


def stored_metadata_sha256(path: Path) -> str:
    """Read the stored metadata digest of a shard, without computing it."""
    with open_shard(path) as file:
        try:
            return str(file.attrs["metadata_sha256"])
        except UNREADABLE as error:
            raise ShardError(f"{path} is damaged: its attributes cannot be read ({error}); {_REMEDY}") from error


def foreign(header: ShardHeader, fingerprint: str, corpus: str) -> str:
    """Explain why a shard does not belong to a cache (identity and corpus); empty where it does."""
    if header.fingerprint != fingerprint:
        return f"is foreign: it was written with identity {header.fingerprint}, this cache is {fingerprint}"
    if header.about.get("corpus") != corpus:
        return f"is foreign: it holds clips of '{header.about.get('corpus')}', this cache is of '{corpus}'"
    return ""
