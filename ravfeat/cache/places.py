"""Where clips and layers lie in the shards of a cache."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ravfeat.cache.columns import read_column
from ravfeat.cache.index_table import IndexTable
from ravfeat.texts import SortedTexts

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
    """Places of all clips of a cache, as its index has them; N stored clips.

    Attributes
    ----------
    ids : SortedTexts
        Stored clips, sorted.
    order : ndarray of shape (N,), int64
        Place in ``ids`` of every stored clip in the order of the files.
    places : ndarray of shape (N, 3), int64
        Shard, first frame and number of frames of every stored clip, in the order of the files.
    failed : dict of str to str
        Why the other clips are not stored.
    """

    ids: SortedTexts
    order: NDArray[np.int64]
    places: NDArray[np.int64]
    failed: dict[str, str]

    @classmethod
    def of(cls, index: IndexTable) -> "ClipPlaces":
        """Collect the places from an index."""
        stored = index.stored(["clip_id", "shard", "frame_start", "n_frames"])
        failed = index.table.select(["clip_id", "reason"]).filter(pa.array(~index.is_stored))
        by_id = np.asarray(pc.sort_indices(stored["clip_id"]), np.int64)
        columns = [np.asarray(stored[name], np.int64) for name in ("shard", "frame_start", "n_frames")]
        reasons = dict(zip(failed["clip_id"].to_pylist(), failed["reason"].to_pylist(), strict=True))
        return cls(SortedTexts(stored["clip_id"].take(by_id)), np.argsort(by_id), np.stack(columns, axis=1), reasons)

    @property
    def unique(self) -> int:
        """Count the different clips, stored or failed."""
        array = self.ids.array
        different = int(pc.sum(pc.not_equal(array[1:], array[:-1])).as_py() or 0) + min(1, len(array))
        return different + sum(clip_id not in self.ids for clip_id in self.failed)

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """Row in ``places`` of every clip in ``ids``."""
        return np.argsort(self.order)

    def find(self, clip_id: str) -> ClipPlace | None:
        """Return the place of a stored clip; None where it is not stored."""
        found = self.ids.find(clip_id)
        return None if found < 0 else ClipPlace(*self.places[self.rows[found]].tolist())

    def range_of(self, number: int) -> tuple[int, int]:
        """Return which of `places` are those of one shard: the first, and the one after the last."""
        start, stop = np.searchsorted(self.places[:, 0], [number, number + 1]).tolist()
        return start, stop

    def of_shard(self, number: int) -> dict[str, ClipPlace]:
        """Return the places of the clips of one shard."""
        start, stop = self.range_of(number)
        ids = self.ids.array.take(pa.array(self.order[start:stop])).to_pylist()
        return {
            clip_id: ClipPlace(*place) for clip_id, place in zip(ids, self.places[start:stop].tolist(), strict=True)
        }

    def by_shard(self, clip_ids: Collection[str]) -> Mapping[int, set[str]]:
        """Group stored clips by shard, in the order of the files; others are left out."""
        names = np.array(list(clip_ids), object)
        found = self.ids.places(names)
        names, rows = names[found >= 0], self.rows[found[found >= 0]]
        grouped: dict[int, set[str]] = {}
        order = np.argsort(rows)
        for name, number in zip(names[order], self.places[rows[order], 0].tolist(), strict=True):
            grouped.setdefault(number, set()).add(name)
        return grouped

    def in_file_order(self) -> Iterator[str]:
        """Yield all stored clips, sorted by shard and first frame."""
        yield from _texts(self.ids, self.order)


def _texts(ids: SortedTexts, order: NDArray[np.int64]) -> Iterator[str]:
    for start in range(0, len(order), 1 << 14):
        yield from ids.array.take(pa.array(order[start : start + (1 << 14)])).to_pylist()


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
