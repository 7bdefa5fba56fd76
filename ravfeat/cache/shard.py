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
    fingerprint,
)
from ravfeat.cache.structure import check_structure
from ravfeat.errors import ShardError
from ravfeat.files import canonical_json

__all__ = [
    "UNREADABLE",
    "ShardHeader",
    "check_file",
    "foreign",
    "further_columns",
    "metadata_sha256",
    "open_shard",
    "read_header",
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
    source : mapping of str to str
        See `ravfeat.cache.format.ShardContent`.
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
    source: Mapping[str, str]


def metadata_sha256(
    number: int,
    about: Mapping[str, Any],
    identity: Mapping[str, Any],
    provenance: Mapping[str, Any],
    clips: Sequence[ClipRecord],
    failed: Sequence[FailedClip],
    times_s: NDArray[np.float64],
    columns: Mapping[str, NDArray[np.float32]] = MappingProxyType({}),
    source: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Compute the digest of a shard without its features (which have one digest per clip)."""
    value: dict[str, Any] = {
        "number": number,
        "about": about,
        "identity": identity,
        "provenance": provenance,
        "clips": [clip.facts() for clip in clips],
        "failed": [asdict(clip) for clip in failed],
        "time_s": hashlib.sha256(np.ascontiguousarray(times_s, dtype="<f8").data).hexdigest(),
    }
    # Shards without columns keep the digest that they had before columns existed.
    if columns:
        value["frames"] = {
            name: hashlib.sha256(np.ascontiguousarray(column, dtype="<f4").tobytes()).hexdigest()
            for name, column in columns.items()
        }
    # Nor do shards of version 1, which have none of these.
    if any(clip.layers_sha256 for clip in clips):
        value["layers_sha256"] = [list(clip.layers_sha256) for clip in clips]
    if further := further_columns(clips):
        value["further"] = further
    if source:
        value["source"] = dict(source)
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def further_columns(clips: Sequence[ClipRecord]) -> dict[str, list[str | float | None]]:
    """Collect what the corpus's table says of clips beside actor and label, by column."""
    names = dict.fromkeys(name for clip in clips for name in clip.further)
    return {name: [clip.further.get(name) for clip in clips] for name in names}


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
        check_file(path, file)
        yield file


def check_file(path: Path, file: h5py.File) -> None:
    """Refuse a file that is not a shard of a supported version, or holds more than plain arrays.

    Raises
    ------
    ShardError
    """
    _check_version(path, file)
    try:
        check_structure(path, file)
    except UNREADABLE as error:
        raise ShardError(f"{path} is damaged: its metadata cannot be read ({error}); {_REMEDY}") from error


def _check_version(path: Path, file: h5py.File) -> None:
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
            should_be = metadata_sha256(*facts, times_s, columns, header.source)
        except UNREADABLE as error:
            raise ShardError(f"{path} is damaged: its metadata cannot be read ({error}); {_REMEDY}") from error
    if header.metadata_sha256 != should_be:
        raise ShardError(f"{path} is damaged: its metadata do not match their digest; {_REMEDY}")
    if problem := _layout_problem(header):
        raise ShardError(f"{path} is damaged: {problem}; {_REMEDY}")
    return header


def _layout_problem(header: ShardHeader) -> str:
    """Compare shapes, types, layers and frames: with wrong ones a reader returns memory that holds no features."""
    stored, dtype = tuple(header.identity["layers"]), header.identity["dtype"]
    if header.fingerprint != fingerprint(header.identity):
        return f"fingerprint {header.fingerprint} is not that of the identity it stores"
    if len(header.shape) != 3:
        return f"features have the shape {header.shape}, expected (layer, frame, dim)"
    layers, frames, _ = header.shape
    if (layers, header.layers, header.dtype) != (len(stored), stored, dtype):
        return (
            f"features have the shape {header.shape} and hold layers {list(header.layers)} as {header.dtype},"
            f" the identity says layers {list(stored)} as {dtype}"
        )
    for name, count in {"time": header.n_times, **header.columns}.items():
        if count != frames:
            return f"features have {frames} frames, {count} frames have a {name}"
    start = 0
    for clip in header.clips:
        if clip.frame_start != start or clip.n_frames < 1:
            return f"clip '{clip.clip_id}' starts at frame {clip.frame_start}, expected {start}"
        if clip.layers_sha256 and len(clip.layers_sha256) != layers:
            return f"clip '{clip.clip_id}' has digests of {len(clip.layers_sha256)} layers, expected {layers}"
        start += clip.n_frames
    return f"features have {frames} frames, the clips account for {start}" if start != frames else ""


def _header(file: h5py.File, n_times: int, columns: Mapping[str, int]) -> ShardHeader:
    features = file["features"]
    return ShardHeader(
        number=int(file.attrs["shard"]),
        about=json.loads(file.attrs["about"]),
        identity=json.loads(file.attrs["identity"]),
        provenance=json.loads(file.attrs["provenance"]),
        clips=tuple(_read_clips(file["clips"])),
        failed=tuple(FailedClip(*row) for row in _read_table(file["failed"], FAILED_COLUMNS)),
        fingerprint=str(file.attrs["fingerprint"]),
        metadata_sha256=str(file.attrs["metadata_sha256"]),
        shape=tuple(int(n) for n in features.shape),
        dtype=str(features.dtype.name),
        layers=tuple(int(n) for n in features.attrs["layers"]),
        n_times=n_times,
        columns=columns,
        source=json.loads(file.attrs.get("source", "{}")),
    )


def _read_clips(group: h5py.Group) -> Iterator[ClipRecord]:
    rows = list(_read_table(group, CLIP_COLUMNS))
    layers = group["layers_sha256"].asstr()[...].tolist() if "layers_sha256" in group else [()] * len(rows)
    further: list[dict[str, str | float | None]] = [{} for _ in rows]
    for name in group.get("further", ()):
        for known, (value,) in zip(further, _read_table(group["further"], [name]), strict=True):
            # Empty text and NaN stand for what the table does not say.
            known[name] = None if value == "" or value != value else value
    for row, digests, known in zip(rows, layers, further, strict=True):
        yield ClipRecord(*row, tuple(digests), known)


def _read_table(group: h5py.Group, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    # One dataset per column in the file; rows are put together here.
    arrays = []
    for name in columns:
        dataset = group[name]
        values = dataset.asstr()[...] if h5py.check_string_dtype(dataset.dtype) else dataset[...]
        arrays.append(values.tolist())
    return zip(*arrays, strict=True)


def foreign(header: ShardHeader, expected: str, corpus: str) -> str:
    """Explain why a shard does not belong to a cache (identity and corpus); empty where it does."""
    if header.fingerprint != expected:
        return f"is foreign: it was written with identity {header.fingerprint}, this cache is {expected}"
    if header.about.get("corpus") != corpus:
        return f"is foreign: it holds clips of '{header.about.get('corpus')}', this cache is of '{corpus}'"
    return ""
