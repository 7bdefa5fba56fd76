"""Read a shard file's metadata: attributes, clip records, times; everything but the features."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

import h5py
import numpy as np
from numpy.typing import NDArray

from ravfeat.cache.columns import attribute_number, attribute_numbers, attribute_text, read_column
from ravfeat.cache.format import (
    CLIP_COLUMNS,
    FAILED_COLUMNS,
    FORMAT,
    FORMAT_VERSION,
    ClipRecord,
    FailedClip,
    fingerprint,
)
from ravfeat.cache.schemas import check_about, check_identity
from ravfeat.cache.structure import check_structure
from ravfeat.documents import parse_json
from ravfeat.errors import ShardError
from ravfeat.feature_names import names_problem
from ravfeat.files import canonical_json
from ravfeat.model_origin import check_origin
from ravfeat.schema import Gender
from ravfeat.short_repr import short_repr

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

_DIGEST = re.compile("[0-9a-f]{64}")
_REMEDY = "delete it and run the same 'ravfeat extract' again"


@short_repr
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
    source, feature_names
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
    source: Mapping[str, Any]
    feature_names: tuple[str, ...]


def metadata_sha256(
    number: int,
    about: Mapping[str, Any],
    identity: Mapping[str, Any],
    provenance: Mapping[str, Any],
    clips: Sequence[ClipRecord],
    failed: Sequence[FailedClip],
    times_s: NDArray[np.float64],
    columns: Mapping[str, NDArray[np.float32]] = MappingProxyType({}),
    source: Mapping[str, Any] = MappingProxyType({}),
    feature_names: Sequence[str] = (),
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
    if feature_names:
        value["feature_names"] = list(feature_names)
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def further_columns(clips: Sequence[ClipRecord]) -> dict[str, list[str | float | None]]:
    """Collect what is known of clips beside actor and label, by column."""
    # Sorted, as HDF5 lists them: a clip that was read from a file gives the same bytes as one that was just made.
    names = sorted({name for clip in clips for name in clip.further})
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
        kind = attribute_text(file, "format") if "format" in file.attrs else None
        version = attribute_number(file, "version") if "version" in file.attrs else 0
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
            _check_frame_columns({"time_s": times_s, **columns})
            header = _header(file, len(times_s), {name: len(column) for name, column in columns.items()})
            facts = (header.number, header.about, header.identity, header.provenance, header.clips, header.failed)
            should_be = metadata_sha256(*facts, times_s, columns, header.source, header.feature_names)
        except UNREADABLE as error:
            raise ShardError(f"{path} is damaged: its metadata cannot be read ({error}); {_REMEDY}") from error
    if header.metadata_sha256 != should_be:
        raise ShardError(f"{path} is damaged: its metadata do not match their digest; {_REMEDY}")
    if problem := _layout_problem(header) or _clips_problem(header, times_s):
        raise ShardError(f"{path} is damaged: {problem}; {_REMEDY}")
    return header


def _check_frame_columns(columns: Mapping[str, NDArray[Any]]) -> None:
    for name, values in columns.items():
        expected = ("<f8", (1,)) if name == "time_s" else ("<f4", (1, 2))
        if values.dtype.str != expected[0] or values.ndim not in expected[1]:
            raise ValueError(
                f"'frames/{name}' has the type {values.dtype.str}{list(values.shape)}, expected {expected[0]}"
            )


def _layout_problem(header: ShardHeader) -> str:
    """Compare shapes, types, layers and frames: with wrong ones a reader returns memory that holds no features."""
    stored, dtype = tuple(header.identity["layers"]), header.identity["dtype"]
    if header.fingerprint != fingerprint(header.identity):
        return f"fingerprint {header.fingerprint} is not that of the identity it stores"
    if header.about["stream"] != header.identity["stream"]:
        return f"about says the stream {header.about['stream']}, the identity {header.identity['stream']}"
    layers, frames, dim = header.shape
    if (layers, header.layers, header.dtype) != (len(stored), stored, dtype):
        return (
            f"features have the shape {header.shape} and hold layers {list(header.layers)} as {header.dtype},"
            f" the identity says layers {list(stored)} as {dtype}"
        )
    if problem := names_problem(header.feature_names, dim, header.identity["statistics"]):
        return problem
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


def _clips_problem(header: ShardHeader, times_s: NDArray[np.float64]) -> str:
    """Name the first clip whose record says what cannot be."""
    clips: list[ClipRecord | FailedClip] = [*header.clips, *header.failed]
    if len({clip.clip_id for clip in clips}) < len(clips):
        return "it holds a clip twice"
    for clip in clips:
        if not (clip.clip_id and clip.performance_id and clip.actor and clip.label):
            return f"clip '{clip.clip_id}' lacks its id, performance, actor or label"
        if clip.gender not in get_args(Gender):
            return f"clip '{clip.clip_id}' has the gender '{clip.gender}', expected one of {list(get_args(Gender))}"
    for clip in header.clips:
        if clip.n_samples < 0 or not 0 <= clip.rate_hz < np.inf:
            return f"clip '{clip.clip_id}' has {clip.n_samples} samples at {clip.rate_hz} Hz"
        if not (_DIGEST.fullmatch(clip.input_sha256) and _DIGEST.fullmatch(clip.features_sha256)):
            return f"clip '{clip.clip_id}' has an input_sha256 or features_sha256 that is none"
    # Times rise within a clip; where a clip begins they may fall.
    rises = np.diff(times_s) > 0
    rises[[clip.frame_start - 1 for clip in header.clips[1:]]] = True
    return "" if np.isfinite(times_s).all() and rises.all() else "the times of its frames do not rise within a clip"


def _header(file: h5py.File, n_times: int, columns: Mapping[str, int]) -> ShardHeader:
    path = str(file.filename)
    features = file["features"]
    if features.ndim != 3 or features.dtype.str not in {"<f2", "<f4"}:
        actual = f"the shape {features.shape} and the type {features.dtype.str}"
        raise ValueError(f"features have {actual}, expected (layer, frame, dim) and <f2 or <f4")
    documents = {name: _document(path, file, name) for name in ("about", "identity", "provenance", "source")}
    check_about(documents["about"], f"{path}, about", ShardError, _REMEDY)
    check_identity(documents["identity"], f"{path}, identity", ShardError, _REMEDY)
    check_origin(documents["source"], f"{path}, source", ShardError, _REMEDY)
    return ShardHeader(
        number=attribute_number(file, "shard"),
        clips=tuple(_read_clips(file["clips"])),
        failed=tuple(FailedClip(*row) for row in _read_table(file["failed"], FailedClip, FAILED_COLUMNS)),
        fingerprint=attribute_text(file, "fingerprint"),
        metadata_sha256=attribute_text(file, "metadata_sha256"),
        shape=tuple(int(n) for n in features.shape),
        dtype=str(features.dtype.name),
        layers=attribute_numbers(features, "layers"),
        n_times=n_times,
        columns=columns,
        feature_names=tuple(read_column(file, "feature_names", str)) if "feature_names" in file else (),
        **documents,
    )


def _document(path: str, file: h5py.File, name: str) -> dict[str, Any]:
    text = attribute_text(file, name) if name in file.attrs or name != "source" else "{}"
    return parse_json(text, dict[str, Any], f"{path}, {name}", ShardError, _REMEDY)


def _read_clips(group: h5py.Group) -> Iterator[ClipRecord]:
    rows = list(_read_table(group, ClipRecord, CLIP_COLUMNS))
    layers: list[Sequence[str]] = [()] * len(rows)
    if "layers_sha256" in group:
        dataset = group["layers_sha256"]
        if dataset.dtype != np.dtype("S64") or dataset.ndim != 2:
            raise ValueError(f"'layers_sha256' has the type {dataset.dtype}{list(dataset.shape)}")
        layers = dataset[...].astype("U64").tolist()
    further: list[dict[str, str | float | None]] = [{} for _ in rows]
    for name in group.get("further", ()):
        for known, value in zip(further, read_column(group["further"], name), strict=True):
            # Empty text and NaN stand for what the table does not say.
            known[name] = None if value == "" or value != value else value
    for row, digests, known in zip(rows, layers, further, strict=True):
        yield replace(ClipRecord(*row), layers_sha256=tuple(digests), further=known)


def _read_table(group: h5py.Group, record: type, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    # One dataset per column in the file; rows are put together here.
    return zip(*(read_column(group, name, record.__annotations__[name]) for name in columns), strict=True)


def foreign(header: ShardHeader, expected: str, corpus: str) -> str:
    """Explain why a shard does not belong to a cache (identity and corpus); empty where it does."""
    if header.fingerprint != expected:
        return f"is foreign: it was written with identity {header.fingerprint}, this cache is {expected}"
    if header.about.get("corpus") != corpus:
        return f"is foreign: it holds clips of '{header.about.get('corpus')}', this cache is of '{corpus}'"
    return ""
