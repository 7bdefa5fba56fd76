"""Serialise a shard to the bytes of an HDF5 file, in memory.

Written from memory like any other file: a full disk is then an ordinary error, a half-written file never
has the shard's name, and the file's digest needs no second read. Equal contents give equal bytes.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from ravfeat.cache.format import (
    CLIP_COLUMNS,
    FAILED_COLUMNS,
    FORMAT,
    FORMAT_VERSION,
    ClipRecord,
    FailedClip,
    ShardContent,
    fingerprint,
)
from ravfeat.cache.shard import further_columns, metadata_sha256
from ravfeat.files import canonical_json

__all__ = ["SerialisedShard", "serialise_shard"]

_BLOCK_BYTES = 1 << 24  # increment of the in-memory file
_PAGE_BYTES = 4096  # features start on a page boundary, so that they can be mapped into memory
_NAMES = itertools.count()  # HDF5 refuses to open two files of one name at once, even in memory


@dataclass(frozen=True)
class SerialisedShard:
    """A serialised shard.

    Attributes
    ----------
    data : bytes
        Of the file.
    metadata_sha256 : str
        As stored in it.
    features : tuple (offset, size)
        Bytes of the features in the file.
    """

    data: bytes
    metadata_sha256: str
    features: tuple[int, int]


def serialise_shard(content: ShardContent) -> SerialisedShard:
    """Serialise a shard as an HDF5 file; equal contents give equal bytes."""
    # The empty array in front lets a shard without any stored clip concatenate.
    times_s = np.concatenate([np.zeros(0), *content.times_s]).astype("<f8")
    columns = content.frame_columns()
    facts = (content.number, content.about, content.identity, content.provenance, content.clips, content.failed)
    metadata = metadata_sha256(*facts, times_s, columns, content.source, content.feature_names)
    with _file_in_memory() as file:
        attributes: dict[str, Any] = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "shard": content.number,
            "fingerprint": fingerprint(content.identity),
            "about": canonical_json(content.about),
            "identity": canonical_json(content.identity),
            "provenance": canonical_json(content.provenance),
            "metadata_sha256": metadata,
        }
        if content.source:
            attributes["source"] = canonical_json(content.source)
        for name, value in attributes.items():
            file.attrs[name] = value
        clips = file.create_group("clips")
        _write_table(clips, CLIP_COLUMNS, content.clips)
        _write_layer_digests(clips, content)
        _write_further(clips, content.clips)
        _write_table(file.create_group("failed"), FAILED_COLUMNS, content.failed)
        frames = file.create_group("frames")
        frames.create_dataset("time_s", data=times_s)
        for name, values in columns.items():
            frames.create_dataset(name, data=values)
        if content.feature_names:
            file.create_dataset("feature_names", data=content.feature_names, dtype=h5py.string_dtype("utf-8"))
        _write_features(file, content, len(times_s))
        file.flush()
        features = file["features"]
        # An array without a frame has no place in the file.
        place = (int(features.id.get_offset() or 0), int(features.nbytes))
        return SerialisedShard(bytes(file.id.get_file_image()), metadata, place)


def _file_in_memory() -> h5py.File:
    return h5py.File(
        f"shard-{next(_NAMES)}", "w", driver="core", backing_store=False, block_size=_BLOCK_BYTES, libver="v110",
        alignment_threshold=_PAGE_BYTES, alignment_interval=_PAGE_BYTES,
    )  # fmt: skip


def _write_table(group: h5py.Group, columns: Sequence[str], rows: Sequence[ClipRecord | FailedClip]) -> None:
    for name in columns:
        values = [getattr(row, name) for row in rows]
        kind = ClipRecord.__annotations__.get(name, str)
        if kind is str:
            group.create_dataset(name, data=values, dtype=h5py.string_dtype("utf-8"), shape=(len(values),))
        else:
            group.create_dataset(name, data=np.array(values, dtype="<i8" if kind is int else "<f8"))


def _write_layer_digests(group: h5py.Group, content: ShardContent) -> None:
    if not all(clip.layers_sha256 for clip in content.clips):
        return  # taken over from a shard of version 1
    digests = np.array([clip.layers_sha256 for clip in content.clips], "S64")
    group.create_dataset("layers_sha256", data=digests.reshape(len(content.clips), content.shape[0]))


def _write_further(group: h5py.Group, clips: Sequence[ClipRecord]) -> None:
    for name, values in further_columns(clips).items():
        if all(value is None or isinstance(value, float) for value in values):
            data = np.array([np.nan if value is None else value for value in values], "<f8")
            group.create_dataset(f"further/{name}", data=data)
        else:
            text = ["" if value is None else str(value) for value in values]
            group.create_dataset(f"further/{name}", data=text, dtype=h5py.string_dtype("utf-8"))


def _write_features(file: h5py.File, content: ShardContent, n_frames: int) -> None:
    layers, dim = content.shape
    dtype = np.dtype(content.identity["dtype"]).newbyteorder("<")
    dataset = file.create_dataset("features", shape=(layers, n_frames, dim), dtype=dtype)
    dataset.attrs["axes"] = "layer,frame,dim"
    dataset.attrs["layers"] = np.array(content.identity["layers"], dtype="<i8")
    for clip, block in zip(content.clips, content.features, strict=True):
        dataset[:, clip.frame_start : clip.frame_start + clip.n_frames] = block
