"""The manifest inside a cache: what belongs there, and into which shard.

Offers
------
PlannedManifest, read_planned.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ravfeat.errors import CacheError, CorpusError
from ravfeat.manifest import Clip, Manifest

__all__ = ["PlannedManifest", "read_planned"]


@dataclass(frozen=True)
class PlannedManifest:
    """A manifest and the shard of every clip.

    Attributes
    ----------
    manifest : Manifest
    shards : dict of str to int
        Shard number by ``clip_id``.
    """

    manifest: Manifest
    shards: Mapping[str, int]

    def table(self) -> pa.Table:
        """Give the manifest's table with a column ``shard``."""
        numbers = pa.array([self.shards[clip.clip_id] for clip in self.manifest], pa.int64())
        return self.manifest.table().append_column("shard", numbers)

    def clips_of(self, shard: int) -> tuple[Clip, ...]:
        """Give the clips that belong in one shard, sorted."""
        return tuple(clip for clip in self.manifest if self.shards[clip.clip_id] == shard)

    @property
    def numbers(self) -> tuple[int, ...]:
        """Every shard number, sorted."""
        return tuple(sorted(set(self.shards.values())))


def read_planned(path: Path) -> PlannedManifest:
    """Read a cache's ``manifest.parquet``.

    Raises
    ------
    CacheError
        Where it is missing or cannot be read.
    """
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        manifest = Manifest.from_table(table, where=str(path))
        rows = table.select(["clip_id", "shard"]).to_pylist()
    except FileNotFoundError as error:
        raise CacheError(f"{path} is missing: without it nobody can say what belongs in this cache") from error
    except (OSError, pa.ArrowException, KeyError, CorpusError) as error:
        raise CacheError(f"{path} cannot be read ({error})") from error
    return PlannedManifest(manifest, {row["clip_id"]: int(row["shard"]) for row in rows})
