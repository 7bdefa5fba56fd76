"""What the index and the manifest of a cache say of its clips, without opening a shard."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from ravfeat.cache.content import CacheContent
from ravfeat.cache.format import INDEX_FILE
from ravfeat.cache.index import indexed_shards, read_index_table
from ravfeat.cache.manifest import PlannedManifest
from ravfeat.cache.places import ClipPlace, ClipPlaces
from ravfeat.errors import CacheError, MissingClipError
from ravfeat.manifest import Manifest
from ravfeat.texts import SortedTexts

__all__ = ["IndexedClips", "as_ids"]

_LISTED = 1 << 14


def as_ids(clip_ids: Iterable[str]) -> Collection[str]:
    """Give clip ids as a collection; one that is given by itself is one, not its letters."""
    if isinstance(clip_ids, str):
        return [clip_ids]
    return clip_ids if isinstance(clip_ids, Collection) else list(clip_ids)


class IndexedClips:
    """The clips of a cache; `ravfeat.cache.reader.Cache` reads their features, too.

    Raises
    ------
    CacheError
        Where there is no shard, or the index is damaged.
    """

    def __init__(self, path: Path, planned: PlannedManifest) -> None:
        self.path = path
        self._planned = planned
        index = read_index_table(path)
        # Without the rows, which are the largest part of it; what is needed of them is kept as columns.
        self._index = indexed_shards(index, rows=False)
        if not self._index:
            raise CacheError(f"{path} has no shard yet; run 'ravfeat extract' to fill it")
        self._places, self._content = ClipPlaces.of(index), CacheContent.of(index)
        if self._places.unique < len(index.table):
            raise CacheError(f"{path / INDEX_FILE} has a clip twice; 'ravfeat cache verify {path}' names it")
        self.failed: dict[str, str] = self._places.failed
        self.shards: tuple[int, ...] = tuple(self._index)
        self.clip_ids: SortedTexts = self._places.ids

    def __len__(self) -> int:
        return len(self.clip_ids)

    def __contains__(self, clip_id: object) -> bool:
        return clip_id in self._places.ids

    def __fspath__(self) -> str:
        """Return the folder of the cache, so that a cache may stand where a path of one is wanted."""
        return str(self.path)

    @property
    def classes(self) -> tuple[str, ...]:
        """The corpus's label set."""
        return self._planned.manifest.classes

    @property
    def planned_manifest(self) -> Manifest:
        """What belongs in this cache."""
        return self._planned.manifest

    @property
    def manifest(self) -> pa.Table:
        """What belongs in this cache, one row per clip (an Arrow table)."""
        return self._planned.table()

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """Clips of the manifest that are not stored, failed ones included."""
        planned = self._planned.manifest.ids.array
        return tuple(planned.filter(pa.array(self._places.ids.places(planned) < 0)).to_pylist())

    def n_frames(self, clip_id: str) -> int:
        """Count the stored frames of a clip."""
        return self._place(clip_id).n_frames

    def facts(self) -> Iterator[tuple[str, str, str, int]]:
        """Yield id, actor, label and number of frames of every stored clip, sorted, as the index has them."""
        rows = self._places.rows
        for start in range(0, len(rows), _LISTED):
            some = rows[start : start + _LISTED]
            columns = self._content.table.select(["clip_id", "actor", "label"]).take(pa.array(some)).to_pydict()
            yield from zip(*columns.values(), self._places.places[some, 2].tolist(), strict=True)

    def content_sha256(self) -> str:
        """Compute the digest of the stored content: actor, label, recording and features of every clip.

        Computed from the index, which every shard is held against when it is read; independent of how clips are
        distributed over shards.
        """
        return self._content.sha256(self._places.rows)

    def shards_of(self, clip_ids: Iterable[str]) -> tuple[int, ...]:
        """Return the numbers of the shards that hold some clips, stored or failed; sorted."""
        present = set(self.shards)
        return tuple(sorted({self._planned.shards[clip_id] for clip_id in as_ids(clip_ids)} & present))

    def clips_of(self, number: int) -> Set[str]:
        """Return the ids of the clips that a shard holds, from the index."""
        return self._places.of_shard(number).keys()

    def by_shard(self, clip_ids: Collection[str]) -> Mapping[int, Set[str]]:
        """Group stored clips by their shards, in the order of the files; others are left out."""
        return self._places.by_shard(as_ids(clip_ids))

    def _place(self, clip_id: str) -> ClipPlace:
        if (place := self._places.find(clip_id)) is None:
            reason = f"; it failed: {self.failed[clip_id]}" if clip_id in self.failed else ""
            raise MissingClipError(f"clip '{clip_id}' is not stored in {self.path}{reason}")
        return place
