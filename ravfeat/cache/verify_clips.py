"""Verify the clips of a cache as a whole: duplicates, foreign ones, those that lack, and facts against the manifest.

Clips of shards are columns, from their headers or, for a shard that is not read, from the index.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ravfeat.cache.format import ClipRecord, FailedClip
from ravfeat.cache.index import IndexedShard
from ravfeat.cache.index_table import IndexRows
from ravfeat.cache.manifest import PlannedManifest

__all__ = ["Problem", "check_clips", "clips_of_header", "clips_of_index"]

_FACTS = ("performance_id", "actor", "gender", "label")
_TEXTS = ("clip_id", *_FACTS)
_SCHEMA = pa.schema([*((name, pa.string()) for name in (*_TEXTS, "failure")), ("shard", pa.int64())])
"""``failure`` is null where a clip is stored."""


@dataclass(frozen=True)
class Problem:
    """One inconsistency or damage.

    Attributes
    ----------
    where : str
        File or clip.
    description : str
        One sentence.
    """

    where: str
    description: str

    def __str__(self) -> str:
        return f"{self.where}: {self.description}"


def clips_of_header(number: int, clips: Sequence[ClipRecord], failed: Sequence[FailedClip]) -> pa.Table:
    """Put the clips that a shard holds into columns."""
    every: list[ClipRecord | FailedClip] = [*clips, *failed]
    columns = [[getattr(clip, name) for clip in every] for name in _TEXTS]
    failures = [*(None for _ in clips), *(clip.reason for clip in failed)]
    return pa.table([*columns, failures, [number] * len(every)], _SCHEMA)


def clips_of_index(shard: IndexedShard) -> pa.Table:
    """Put the clips that the index says of a shard into columns."""
    rows = IndexRows.of(shard.rows).columns()
    return pa.table([*(rows[name] for name in (*_TEXTS, "reason", "shard"))], _SCHEMA)


def check_clips(
    shards: Sequence[pa.Table], planned: PlannedManifest | None, unreadable: Collection[int]
) -> Iterator[Problem]:
    """Hold the clips of all shards against each other and the manifest.

    Parameters
    ----------
    shards : sequence of pyarrow.Table
        As `clips_of_header` gives them, in the order of the shards.
    planned : PlannedManifest or None
        None where the manifest cannot be read.
    unreadable : collection of int
        Shards that cannot be read: what lacks because of them is not named, as they are.
    """
    clips = pa.concat_tables([_SCHEMA.empty_table(), *shards]).combine_chunks()
    stored = clips.filter(clips["failure"].is_null())
    yield from _duplicates(stored)
    if planned is not None:
        yield from _against_plan(clips, planned)
        yield from _missing(clips, stored, planned, unreadable)


def _duplicates(stored: pa.Table) -> Iterator[Problem]:
    counts = stored["clip_id"].value_counts()
    ids, n = counts.field("values"), counts.field("counts")
    for clip_id in ids.filter(pc.greater(n, 1)).to_pylist():
        numbers = stored.filter(pc.equal(stored["clip_id"], clip_id))["shard"].to_pylist()
        yield Problem(clip_id, f"is a duplicate: stored {len(numbers)} times, in shards {numbers}")


def _against_plan(clips: pa.Table, planned: PlannedManifest) -> Iterator[Problem]:
    rows = planned.manifest.ids.places(clips["clip_id"])
    table = planned.manifest.columns.table.take(np.maximum(rows, 0))
    numbers = np.where(rows >= 0, planned.column[rows], -1)
    wrong = numbers != np.asarray(clips["shard"])
    for name in _FACTS:
        wrong |= np.asarray(pc.not_equal(clips[name], table[name]))
    for row in np.flatnonzero(wrong).tolist():
        clip = clips.slice(row, 1).to_pylist()[0]
        if rows[row] < 0:
            yield Problem(clip["clip_id"], f"is foreign: it is in shard {clip['shard']}, not in the manifest")
            continue
        if numbers[row] != clip["shard"]:
            yield Problem(clip["clip_id"], f"is in shard {clip['shard']}, planned for {numbers[row]}")
        for name, now in table.select(_FACTS).slice(row, 1).to_pylist()[0].items():
            if now != clip[name]:
                described = f"has {name} '{clip[name]}' in its shard and '{now}' in the manifest"
                yield Problem(clip["clip_id"], described)


def _missing(
    clips: pa.Table, stored: pa.Table, planned: PlannedManifest, unreadable: Collection[int]
) -> Iterator[Problem]:
    ids = planned.manifest.ids.array
    lacking = ~np.asarray(pc.is_in(ids, value_set=stored["clip_id"].combine_chunks().cast(ids.type)))
    # Clips of an unreadable shard are lost with it; the shard itself was reported.
    lacking &= ~np.isin(planned.column, list(unreadable))
    failed = clips.filter(clips["failure"].is_valid())
    reasons = dict(zip(failed["clip_id"].to_pylist(), failed["failure"].to_pylist(), strict=True))
    for clip_id in ids.filter(pa.array(lacking)).to_pylist():
        reason = f"failed in extraction: {reasons[clip_id]}" if clip_id in reasons else "not extracted yet"
        yield Problem(clip_id, f"is missing ({reason})")
