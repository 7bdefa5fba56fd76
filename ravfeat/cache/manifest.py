"""Manifest of a cache: its planned clips, and the shard of each.

The file contains a digest of its own contents, so that damage is detected on reading, with or without
``SHA256SUMS``.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ravfeat.cache.json_columns import hash_items, rows_as_json
from ravfeat.clips import ClipTable, clip_schema
from ravfeat.documents import parse_json
from ravfeat.errors import CacheError, CorpusError
from ravfeat.files import canonical_json
from ravfeat.manifest import Clip, Manifest, checked_columns, read_parquet
from ravfeat.short_repr import short_repr
from ravfeat.texts import SortedTexts

__all__ = ["PlannedManifest", "ShardNumbers", "read_planned"]

_PLAN_KEY = b"ravfeat.plan"
_SHARD = pa.field("shard", pa.int64())
_MAX_SHARD = 1 << 31


@dataclass(frozen=True)
class _Plan:
    sha256: str


class ShardNumbers(Mapping[str, int]):
    """Shard number by ``clip_id``, as a column beside the sorted ids.

    Parameters
    ----------
    ids : SortedTexts
    column : ndarray of shape (N,), int64
        In the order of the ids.
    """

    def __init__(self, ids: SortedTexts, column: NDArray[np.int64]) -> None:
        self._ids, self.column = ids, column

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __getitem__(self, clip_id: str) -> int:
        if (row := self._ids.find(clip_id)) < 0:
            raise KeyError(clip_id)
        return int(self.column[row])


@short_repr
@dataclass(frozen=True)
class PlannedManifest:
    """A manifest and the shard of every clip.

    Attributes
    ----------
    manifest : Manifest
    shards : mapping of str to int
        Shard number by ``clip_id``: `ShardNumbers`, whatever it was made of.
    """

    manifest: Manifest
    shards: Mapping[str, int]

    def __post_init__(self) -> None:
        if not isinstance(self.shards, ShardNumbers):
            column = np.fromiter((self.shards[clip_id] for clip_id in self.manifest.ids), np.int64, len(self.manifest))
            object.__setattr__(self, "shards", ShardNumbers(self.manifest.ids, column))

    @cached_property
    def column(self) -> NDArray[np.int64]:
        """Shard number of every clip, in the order of the manifest; shape (N,)."""
        return self.shards.column if isinstance(self.shards, ShardNumbers) else np.empty(0, np.int64)

    @cached_property
    def sha256(self) -> str:
        """Digest of the contents; independent of the library version that wrote the Parquet file."""
        # The canonical JSON of an object of these keys, in pieces: in one text a million clips would take a gigabyte.
        digest, manifest = hashlib.sha256(), self.manifest
        digest.update(f'{{"classes":{canonical_json(list(manifest.classes))},"clips":['.encode())
        hash_items(digest, rows_as_json(manifest.columns.table))
        # Manifests without further columns keep the digest that they had before there were such.
        extra = f',"columns":{canonical_json(list(names))}' if (names := manifest.columns.extra) else ""
        digest.update(f']{extra},"corpus":{canonical_json(manifest.corpus)},"shard":['.encode())
        hash_items(digest, [pa.array(self.column).cast(pa.string())])
        digest.update(f'],"synthetic":{canonical_json(manifest.synthetic)}}}'.encode())
        return digest.hexdigest()

    def table(self) -> pa.Table:
        """Return the manifest's table with a column ``shard``."""
        table = self.manifest.table().append_column("shard", pa.array(self.column, pa.int64()))
        about = {_PLAN_KEY: json.dumps({"sha256": self.sha256}).encode()}
        return table.replace_schema_metadata((table.schema.metadata or {}) | about)

    def clips_of(self, shard: int) -> tuple[Clip, ...]:
        """Return the planned clips of one shard, sorted by id."""
        start, stop = self._places.get(shard, (0, 0))
        return tuple(self._by_shard[start:stop])

    def count(self, shard: int) -> int:
        """Count the planned clips of one shard."""
        start, stop = self._places.get(shard, (0, 0))
        return stop - start

    @property
    def numbers(self) -> tuple[int, ...]:
        """Every shard number, sorted."""
        return tuple(self._places)

    @cached_property
    def _by_shard(self) -> ClipTable:
        """The clips shard by shard; a corpus that has not grown is planned in this order."""
        in_order = bool(np.all(self.column[:-1] <= self.column[1:]))
        clips = self.manifest.columns
        return clips if in_order else clips.take(np.argsort(self.column, kind="stable"))

    @cached_property
    def _places(self) -> dict[int, tuple[int, int]]:
        """Where a shard's rows lie in `_by_shard`, by number."""
        numbers, starts = np.unique(np.sort(self.column), return_index=True)
        stops = [*starts[1:].tolist(), len(self.column)]
        return dict(zip(numbers.tolist(), zip(starts.tolist(), stops, strict=True), strict=True))


def read_planned(path: Path) -> PlannedManifest:
    """Read a cache's ``manifest.parquet``.

    Raises
    ------
    CacheError
        Where it is missing, cannot be read, or its contents do not match their digest.
    """
    remedy = "delete it and run the same 'ravfeat extract' again: it is made anew, finished shards are kept"
    if not path.exists():
        raise CacheError(
            f"{path} is missing: without it nobody can say what belongs in this cache;"
            " run the same 'ravfeat extract' again: it is made anew, finished shards are kept"
        )
    table = read_parquet(path, CacheError, remedy)
    try:
        table = checked_columns(table, clip_schema(table.schema).append(_SHARD), str(path), CacheError, remedy)
        manifest = Manifest.from_table(table, where=str(path))
    except CorpusError as error:
        raise CacheError(f"{path} cannot be read ({error}); {remedy}") from error
    limits = pc.min_max(table["shard"]).as_py()
    if table["shard"].null_count or not 0 <= limits["min"] <= limits["max"] <= _MAX_SHARD:
        raise CacheError(f"{path} has a clip without a shard; {remedy}")
    planned = PlannedManifest(manifest, _shard_numbers(manifest, table))
    metadata = (table.schema.metadata or {}).get(_PLAN_KEY, b"")
    stored = parse_json(metadata, _Plan, f"{path}, {_PLAN_KEY.decode()}", CacheError, remedy).sha256
    # The digest of what was parsed: edits by hand are found too, which Parquet's checksums allow.
    if planned.sha256 != stored:
        raise CacheError(f"{path} is damaged: its contents do not match their digest; {remedy}")
    return planned


def _shard_numbers(manifest: Manifest, table: pa.Table) -> ShardNumbers:
    column = np.asarray(table["shard"], np.int64)
    # A file that another program has written may have its rows in another order than the manifest.
    if manifest.columns.table["clip_id"].equals(table["clip_id"]):
        return ShardNumbers(manifest.ids, column)
    return ShardNumbers(manifest.ids, column[np.asarray(pc.sort_indices(table["clip_id"]))])
