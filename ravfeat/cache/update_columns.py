"""Store what a corpus's table says of stored clips now: further columns that are new, or have other values.

Features stay as they are: shards are written again with the same arrays, then the manifest, then the index. What the
table does not say any more stays.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from ravfeat.cache.child_check import make_sure_it_opens
from ravfeat.cache.format import MANIFEST_FILE, shard_file
from ravfeat.cache.index import IndexedShard
from ravfeat.cache.locks import WorkLock
from ravfeat.cache.manifest import PlannedManifest, read_planned
from ravfeat.cache.parts import read_content
from ravfeat.cache.writer import CacheFolder
from ravfeat.clips import FURTHER, Clip, number_text
from ravfeat.files import replace_file
from ravfeat.manifest import Manifest, parquet_bytes
from ravfeat.progress import track_progress

__all__ = ["ColumnUpdate", "changed_columns", "update_columns"]

Further = Mapping[str, str | float]


@dataclass(frozen=True)
class ColumnUpdate:
    """Further columns of which a table says something else than a cache.

    Attributes
    ----------
    names : tuple of str
    clips : mapping of str to mapping of str to (str or float)
        All that is known of every clip now, by ``clip_id``; only clips of which something changes.
    """

    names: tuple[str, ...] = ()
    clips: Mapping[str, Further] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.clips)


def changed_columns(planned: Manifest, given: Manifest) -> ColumnUpdate:
    """Compare the further columns of the clips that a cache and the given data have in common.

    Parameters
    ----------
    planned : Manifest
        Of the cache.
    given : Manifest
        As the data say it now.
    """
    rows = given.ids.places(planned.ids.array)
    here = np.flatnonzero(rows >= 0)
    before, now = planned.columns.table.take(here), given.columns.table.take(rows[here])
    names = [name for name in now.column_names if name.startswith(FURTHER) and not _same(before, now, name)]
    clips: dict[str, Further] = {}
    changed = dict[str, None]()
    for name in names:
        plain, cells = name.removeprefix(FURTHER), now[name].to_pylist()
        held = before[name].to_pylist() if name in before.column_names else [""] * len(cells)
        for row, old, value in zip(here.tolist(), held, cells, strict=True):
            if value == "" or value != value or _text(old) == _text(value):
                continue
            clip = planned.clips[row]
            clips[clip.clip_id] = {**clips.get(clip.clip_id, clip.further), plain: value}
            changed[plain] = None
    return ColumnUpdate(tuple(changed), clips)


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else number_text(value)


def _same(before: pa.Table, now: pa.Table, name: str) -> bool:
    if name not in before.column_names or before[name].type != now[name].type:
        return False
    return bool(before[name].equals(now[name])) or (
        pa.types.is_floating(now[name].type) and np.array_equal(before[name], now[name], equal_nan=True)
    )


def update_columns(folder: Path, given: Manifest) -> ColumnUpdate:
    """Store what the given data say of the clips of a cache.

    Parameters
    ----------
    folder : Path
        Of the cache; nobody else may be writing it.
    given : Manifest

    Returns
    -------
    ColumnUpdate
        What has changed.

    Raises
    ------
    CacheError
        Where another process is writing, or the cache cannot be read or written.
    ShardError
        Where a shard is damaged.
    """
    planned = read_planned(folder / MANIFEST_FILE)
    update = changed_columns(planned.manifest, given)
    if not update:
        return update
    numbers = sorted({planned.shards[clip_id] for clip_id in update.clips})
    with WorkLock(folder) as lock:
        lock.claim(numbers)
        written: dict[int, IndexedShard] = {}
        clips = planned.manifest.with_clips(_updated(clip, update.clips) for clip in planned.manifest)
        after = PlannedManifest(clips, planned.shards)
        for number in track_progress(numbers, desc="storing columns", unit="shard", delay=1.0):
            if (path := folder / shard_file(number)).is_file():
                make_sure_it_opens(path)
                content = read_content(path)
                described = {clip.clip_id: clip.described for clip in after.clips_of(number)}
                records = tuple(
                    replace(record, further={**record.further, **described[record.clip_id]}) for record in content.clips
                )
                cache = CacheFolder(folder, content.about, content.identity, after)
                written[number] = cache.write_shard(replace(content, clips=records))
        # Last: a run that is killed before it finds the same differences again.
        with lock.tables():
            replace_file(folder / MANIFEST_FILE, parquet_bytes(after.table()))
        CacheFolder(folder, {}, {}, after).update_index(lock, written)
    return update


def _updated(clip: Clip, updates: Mapping[str, Further]) -> Clip:
    return replace(clip, further=updates[clip.clip_id]) if clip.clip_id in updates else clip
