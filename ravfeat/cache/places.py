"""Where clips and layers lie in the shards of a cache."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import h5py

from ravfeat.cache.columns import read_column
from ravfeat.cache.index import IndexedShard

__all__ = ["ClipPlace", "ClipPlaces", "contiguous_runs", "shard_places"]

_COLUMNS = {"clip_id": str, "frame_start": int, "n_frames": int}


@dataclass(frozen=True, order=True)
class ClipPlace:
    """Shard and frames of one stored clip; places sort in the order of the files."""

    shard: int
    frame_start: int
    n_frames: int

    @property
    def frames(self) -> slice:
        """The clip's frames within its shard."""
        return slice(self.frame_start, self.frame_start + self.n_frames)


@dataclass(frozen=True)
class ClipPlaces:
    """Places of all clips of a cache, as its index has them.

    Attributes
    ----------
    stored : mapping of str to ClipPlace
        By ``clip_id``.
    failed : mapping of str to str
        Why the other clips are not stored.
    by_shard : mapping of int to mapping of str to ClipPlace
        The same, shard by shard.
    """

    stored: Mapping[str, ClipPlace]
    failed: dict[str, str]
    by_shard: Mapping[int, Mapping[str, ClipPlace]]

    @classmethod
    def of(cls, shards: Iterable[IndexedShard]) -> "ClipPlaces":
        """Collect the places from the rows of an index."""
        stored: dict[str, ClipPlace] = {}
        failed: dict[str, str] = {}
        by_shard: dict[int, dict[str, ClipPlace]] = {}
        for row in (row for shard in shards for row in shard.rows):
            if row["status"] == "stored":
                place = ClipPlace(row["shard"], row["frame_start"], row["n_frames"])
                stored[row["clip_id"]] = by_shard.setdefault(row["shard"], {})[row["clip_id"]] = place
            else:
                failed[row["clip_id"]] = row["reason"]
        return cls(stored, failed, by_shard)

    def in_file_order(self) -> list[str]:
        """Return all stored clips, sorted by shard and first frame."""
        return sorted(self.stored, key=self.stored.__getitem__)


def shard_places(file: h5py.File, number: int) -> dict[str, ClipPlace]:
    """Read from an open shard where its clips lie."""
    columns = (read_column(file["clips"], name, kind) for name, kind in _COLUMNS.items())
    return {clip_id: ClipPlace(number, start, n_frames) for clip_id, start, n_frames in zip(*columns, strict=True)}


def contiguous_runs(positions: Sequence[int]) -> list[slice]:
    """Group positions into slices of consecutive ones; each slice is then one read.

    Examples
    --------
    >>> contiguous_runs([2, 3, 4, 7])
    [slice(2, 5, None), slice(7, 8, None)]
    """
    runs: list[slice] = []
    # Only ascending neighbours: [3, 2] are two reads, because the caller gets layers in the order asked for.
    for position in positions:
        if runs and runs[-1].stop == position:
            runs[-1] = slice(runs[-1].start, position + 1)
        else:
            runs.append(slice(position, position + 1))
    return runs
