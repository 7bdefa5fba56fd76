"""The table ``layers.parquet``: where every layer of every shard lies, and digests, so that parts can be fetched.

A published cache has it. Features are layer-major, so some layers of a shard are one range of bytes per run of
neighbours; with the digests here a range can be checked without the rest of the shard, and without HDF5.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from ravfeat.cache.schemas import check_about
from ravfeat.documents import parse_json
from ravfeat.errors import CacheError, ShardError
from ravfeat.manifest import checked_columns, parquet_bytes, parquet_table

__all__ = ["LAYERS_FILE", "LayerTable", "ShardLayers", "describe_layers", "layer_table_bytes", "parse_layer_table"]

LAYERS_FILE = "layers.parquet"
VERSION = 1
_META_KEY = b"ravfeat.layers"
_DIGEST_BYTES = 32

CLIP_DIGESTS_FROM = 1 << 20
"""Bytes of a layer from which on its clips have digests here: smaller layers are fetched whole, as a request costs."""

_MAX_TAIL = 1 << 16
_BLOCK_BYTES = 1 << 20

_SCHEMA = pa.schema(
    [
        ("shard", pa.int64()),
        ("layer", pa.int64()),
        ("offset", pa.int64()),
        ("bytes", pa.int64()),
        ("sha256", pa.binary(_DIGEST_BYTES)),
        ("shard_sha256", pa.binary(_DIGEST_BYTES)),
        ("clips_sha256", pa.binary()),
        ("tail", pa.binary()),
    ]
)


@dataclass(frozen=True)
class ShardLayers:
    """Layers of one shard.

    Attributes
    ----------
    shard_sha256 : str
        Of the whole file.
    layers : tuple of int
        Layer numbers, in the order of the file.
    offset, n_bytes : int
        First byte of the first layer, and size of each.
    sha256 : tuple of bytes
        Digest of each.
    clips_sha256 : tuple of bytes or None
        Of each layer the digests of its clips, one after another in the order of their frames; None in small shards.
    tail : bytes or None
        What follows the features in the file; None where that is much.
    """

    shard_sha256: str
    layers: tuple[int, ...]
    offset: int
    n_bytes: int
    sha256: tuple[bytes, ...]
    clips_sha256: tuple[bytes, ...] | None
    tail: bytes | None


@dataclass(frozen=True)
class LayerTable:
    """All shards by number, and what every shard says in ``about``."""

    shards: Mapping[int, ShardLayers]
    about: Mapping[str, Any]


@dataclass(frozen=True)
class _Metadata:
    version: int
    about: dict[str, Any]


def describe_layers(
    path: Path, shard_sha256: str, features: tuple[int, int], layers: Sequence[int], n_frames: Sequence[int]
) -> ShardLayers | None:
    """Read the features of a shard and compute the digests of its layers.

    Parameters
    ----------
    path : Path
    shard_sha256 : str
        Digest of the file.
    features : tuple (offset, size)
        Bytes of the features in the file.
    layers : sequence of int
        Layer numbers.
    n_frames : sequence of int
        Frames of every stored clip, in the order of the file.

    Returns
    -------
    ShardLayers or None
        None where the features are not one range of bytes, or none.

    Raises
    ------
    ShardError
        Where the file ends within its features.
    """
    offset, size = features
    total = sum(n_frames)
    if not size or not total or size % (len(layers) * total):
        return None
    n_bytes = size // len(layers)
    by_clip = n_bytes >= CLIP_DIGESTS_FROM
    with path.open("rb") as file:
        file.seek(offset)
        digests = [_digests(path, file, n_frames, n_bytes // total) for _ in layers]
        tail = file.read(_MAX_TAIL + 1)
    whole, clips = tuple(layer for layer, _ in digests), tuple(clips for _, clips in digests)
    return ShardLayers(
        shard_sha256, tuple(layers), offset, n_bytes, whole, clips if by_clip else None,
        tail if len(tail) <= _MAX_TAIL else None,
    )  # fmt: skip


def _digests(path: Path, file: Any, n_frames: Sequence[int], bytes_of_frame: int) -> tuple[bytes, bytes]:
    """Read one layer; return its digest, and those of its clips."""
    layer, clips = hashlib.sha256(), bytearray()
    for count in n_frames:
        clip, left = hashlib.sha256(), count * bytes_of_frame
        while left:
            block = file.read(min(left, _BLOCK_BYTES))
            if not block:
                raise ShardError(f"{path} is damaged: it ends at byte {file.tell()}, within its features")
            layer.update(block)
            clip.update(block)
            left -= len(block)
        clips += clip.digest()
    return layer.digest(), bytes(clips)


def layer_table_bytes(shards: Mapping[int, ShardLayers], about: Mapping[str, Any]) -> bytes:
    """Serialise the table as the file ``layers.parquet``."""
    rows = list(_rows(shards))
    columns = {name: [row[place] for row in rows] for place, name in enumerate(_SCHEMA.names)}
    metadata = {_META_KEY: json.dumps({"version": VERSION, "about": dict(about)}, ensure_ascii=False).encode()}
    return parquet_bytes(pa.table(columns, schema=_SCHEMA.with_metadata(metadata)))


def _rows(shards: Mapping[int, ShardLayers]) -> Iterable[tuple[Any, ...]]:
    for number in sorted(shards):
        shard = shards[number]
        for place, layer in enumerate(shard.layers):
            clips = None if shard.clips_sha256 is None else shard.clips_sha256[place]
            start = shard.offset + place * shard.n_bytes
            digests = (shard.sha256[place], bytes.fromhex(shard.shard_sha256), clips)
            yield (number, layer, start, shard.n_bytes, *digests, None if place else shard.tail)


def parse_layer_table(data: bytes, where: str, remedy: str) -> LayerTable:
    """Parse the bytes of a table.

    Raises
    ------
    CacheError
        For a newer version, other columns, or rows that contradict each other.
    """
    try:
        table = parquet_table(data)
    except (OSError, pa.ArrowException, UnicodeError) as error:
        raise CacheError(f"{where} cannot be read as Parquet ({error}); {remedy}") from error
    metadata = (table.schema.metadata or {}).get(_META_KEY, b"")
    known = parse_json(metadata, _Metadata, f"{where}, {_META_KEY.decode()}", CacheError, remedy)
    if known.version != VERSION:
        raise CacheError(f"{where} has version {known.version}, this ravfeat reads {VERSION}; upgrade it")
    check_about(known.about, f"{where}, about", CacheError, remedy)
    columns = checked_columns(table, _SCHEMA, where, CacheError, remedy).to_pydict()
    grouped: dict[int, list[dict[str, Any]]] = {}
    for cells in zip(*columns.values(), strict=True):
        row = dict(zip(columns, cells, strict=True))
        if any(row[name] is None for name in _SCHEMA.names[:6]):
            raise CacheError(f"{where} has a row without one of {', '.join(_SCHEMA.names[:6])}; {remedy}")
        grouped.setdefault(row["shard"], []).append(row)
    shards = {number: _shard(rows) for number, rows in grouped.items()}
    for number, shard in shards.items():
        if shard is None:
            raise CacheError(f"{where} contradicts itself about shard {number}; {remedy}")
    return LayerTable({number: shard for number, shard in shards.items() if shard is not None}, known.about)


def _shard(rows: Sequence[Mapping[str, Any]]) -> ShardLayers | None:
    """Put the rows of a shard together; None where they do not follow each other."""
    first = rows[0]
    offset, n_bytes = first["offset"], first["bytes"]
    layers = tuple(row["layer"] for row in rows)
    places = [(offset + place * n_bytes, n_bytes, first["shard_sha256"]) for place in range(len(rows))]
    if [(row["offset"], row["bytes"], row["shard_sha256"]) for row in rows] != places or offset < 0 or n_bytes < 1:
        return None
    clips = [row["clips_sha256"] for row in rows]
    sizes = {None if digests is None else len(digests) for digests in clips}
    if list(layers) != sorted(set(layers)) or len(sizes) > 1 or any(size and size % _DIGEST_BYTES for size in sizes):
        return None
    return ShardLayers(
        first["shard_sha256"].hex(), layers, offset, n_bytes, tuple(row["sha256"] for row in rows),
        None if None in sizes else tuple(clips), first["tail"],
    )  # fmt: skip
