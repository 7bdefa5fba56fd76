"""One shard file: written whole from memory, read lazily.

A shard is built in memory and then written like any file, so that a full disk is an ordinary
error, nothing half-written ever carries the shard's name, and the digest of the file costs no
second read. The same content gives the same bytes.

Offers
------
shard_bytes, read_header, check_features, ShardHeader, open_shard.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
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
    ShardContent,
    features_sha256,
    fingerprint,
)
from ravfeat.errors import ShardError
from ravfeat.files import canonical_json

__all__ = [
    "ShardHeader",
    "check_features",
    "metadata_sha256",
    "open_shard",
    "read_header",
    "shard_bytes",
    "stored_metadata_sha256",
]

_BLOCK_BYTES = 1 << 24  # HDF5 grows the in-memory file in steps of this


@dataclass(frozen=True)
class ShardHeader:
    """Everything in a shard but its features.

    Attributes
    ----------
    number, about, identity, provenance, clips, failed
        See `ravfeat.cache.format.ShardContent`.
    fingerprint : str
        Of the identity, as stored.
    metadata_sha256 : str
        As stored; `metadata_sha256` computes what it should be.
    shape : tuple (L, F, D)
        Of the stored features.
    dtype : str
    """

    number: int
    about: Mapping[str, Any]
    identity: Mapping[str, Any]
    provenance: Mapping[str, Any]
    clips: tuple[ClipRecord, ...]
    failed: tuple[FailedClip, ...]
    fingerprint: str
    metadata_sha256: str
    shape: tuple[int, int, int]
    dtype: str


def metadata_sha256(
    number: int,
    about: Mapping[str, Any],
    identity: Mapping[str, Any],
    provenance: Mapping[str, Any],
    clips: Sequence[ClipRecord],
    failed: Sequence[FailedClip],
    times_s: NDArray[np.float64],
) -> str:
    """Digest of everything in a shard but its features (those have one digest per clip)."""
    value = {
        "number": number,
        "about": about,
        "identity": identity,
        "provenance": provenance,
        "clips": [asdict(clip) for clip in clips],
        "failed": [asdict(clip) for clip in failed],
        "time_s": hashlib.sha256(np.ascontiguousarray(times_s, dtype="<f8").data).hexdigest(),
    }
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def shard_bytes(content: ShardContent) -> bytes:
    """Serialise a shard as the bytes of an HDF5 file."""
    times_s = np.concatenate([np.zeros(0), *content.times_s]).astype("<f8")
    with h5py.File("shard", "w", driver="core", backing_store=False, block_size=_BLOCK_BYTES, libver="v110") as file:
        attributes: dict[str, Any] = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "shard": content.number,
            "fingerprint": fingerprint(content.identity),
            "about": canonical_json(content.about),
            "identity": canonical_json(content.identity),
            "provenance": canonical_json(content.provenance),
            "metadata_sha256": metadata_sha256(
                content.number,
                content.about,
                content.identity,
                content.provenance,
                content.clips,
                content.failed,
                times_s,
            ),
        }
        for name, value in attributes.items():
            file.attrs[name] = value
        _write_table(file.create_group("clips"), CLIP_COLUMNS, content.clips)
        _write_table(file.create_group("failed"), FAILED_COLUMNS, content.failed)
        file.create_group("frames").create_dataset("time_s", data=times_s)
        _write_features(file, content, len(times_s))
        file.flush()
        return bytes(file.id.get_file_image())


def _write_table(group: h5py.Group, columns: Sequence[str], rows: Sequence[ClipRecord | FailedClip]) -> None:
    for name in columns:
        values = [getattr(row, name) for row in rows]
        kind = ClipRecord.__annotations__.get(name, str)
        if kind is str:
            group.create_dataset(name, data=values, dtype=h5py.string_dtype("utf-8"), shape=(len(values),))
        else:
            group.create_dataset(name, data=np.array(values, dtype="<i8" if kind is int else "<f8"))


def _write_features(file: h5py.File, content: ShardContent, n_frames: int) -> None:
    layers, dim = content.shape
    dtype = np.dtype(content.identity["dtype"]).newbyteorder("<")
    dataset = file.create_dataset("features", shape=(layers, n_frames, dim), dtype=dtype)
    dataset.attrs["axes"] = "layer,frame,dim"
    dataset.attrs["layers"] = np.array(content.identity["layers"], dtype="<i8")
    for clip, block in zip(content.clips, content.features, strict=True):
        dataset[:, clip.frame_start : clip.frame_start + clip.n_frames] = block


@contextmanager
def open_shard(path: Path) -> Iterator[h5py.File]:
    """Open a shard for reading.

    Raises
    ------
    ShardError
        Where the file is missing, is not HDF5, or is no shard of a version this library reads.
    """
    try:
        file = h5py.File(path, "r", locking=False)
    except FileNotFoundError as error:
        raise ShardError(f"{path} is missing; run the same 'ravfeat extract' again to make it") from error
    except OSError as error:
        raise ShardError(f"{path} cannot be opened as HDF5 ({error}); delete it and extract again") from error
    with file:
        _check_version(path, file)
        yield file


def _check_version(path: Path, file: h5py.File) -> None:
    kind, version = file.attrs.get("format"), file.attrs.get("version")
    if kind != FORMAT:
        raise ShardError(f"{path} is not a ravfeat shard: its 'format' is {kind!r}, expected '{FORMAT}'")
    if version is None or int(version) > FORMAT_VERSION:
        raise ShardError(f"{path} has format version {version}, this ravfeat reads up to {FORMAT_VERSION}; upgrade it")


def read_header(path: Path) -> ShardHeader:
    """Read everything but the features.

    Raises
    ------
    ShardError
        Where the file cannot be read as a shard, or its metadata has been changed.
    """
    with open_shard(path) as file:
        try:
            header = _header(file)
            times_s = file["frames/time_s"][...]
        except (KeyError, ValueError, OSError, RuntimeError, TypeError, AttributeError) as error:
            raise ShardError(f"{path} is damaged: its metadata cannot be read ({error})") from error
    should_be = metadata_sha256(
        header.number, header.about, header.identity, header.provenance, header.clips, header.failed, times_s
    )
    if header.metadata_sha256 != should_be:
        raise ShardError(f"{path} is damaged: its metadata do not match their digest; delete it and extract again")
    return header


def _header(file: h5py.File) -> ShardHeader:
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
    )


def _read_table(group: h5py.Group, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    arrays = []
    for name in columns:
        dataset = group[name]
        values = dataset.asstr()[...] if h5py.check_string_dtype(dataset.dtype) else dataset[...]
        arrays.append(values.tolist())
    return zip(*arrays, strict=True)


def stored_metadata_sha256(path: Path) -> str:
    """Read a shard's metadata digest as it is stored, without computing it."""
    with open_shard(path) as file:
        return str(file.attrs.get("metadata_sha256", ""))


def check_features(path: Path, header: ShardHeader) -> list[str]:
    """Read every stored clip of a shard and hold it against what the shard says of it.

    Returns
    -------
    list of str
        One sentence per problem: wrong shapes, digests that do not match, NaN or infinite values,
        frames that belong to no clip or to two.
    """
    problems = _check_layout(header)
    if problems:
        return problems
    with open_shard(path) as file:
        dataset = file["features"]
        for clip in header.clips:
            try:
                block = dataset[:, clip.frame_start : clip.frame_start + clip.n_frames]
            except (OSError, RuntimeError) as error:
                problems.append(f"clip '{clip.clip_id}' cannot be read ({error})")
                continue
            if features_sha256(block) != clip.features_sha256:
                problems.append(f"clip '{clip.clip_id}' does not match its features_sha256")
            elif not np.isfinite(block).all():
                problems.append(f"clip '{clip.clip_id}' holds NaN or infinite values")
    return problems


def _check_layout(header: ShardHeader) -> list[str]:
    problems = []
    if header.fingerprint != fingerprint(header.identity):
        problems.append(f"fingerprint {header.fingerprint} is not that of the identity it stores")
    layers, frames, _ = header.shape
    if layers != len(header.identity["layers"]) or header.dtype != header.identity["dtype"]:
        problems.append(
            f"features are {layers} layers of {header.dtype}, the identity says"
            f" {len(header.identity['layers'])} of {header.identity['dtype']}"
        )
    start = 0
    for clip in header.clips:
        if clip.frame_start != start or clip.n_frames < 1:
            problems.append(f"clip '{clip.clip_id}' starts at frame {clip.frame_start}, expected {start}")
        start = clip.frame_start + clip.n_frames
    if start != frames:
        problems.append(f"features have {frames} frames, the clips account for {start}")
    return problems
