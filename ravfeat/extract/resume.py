"""Resume an extraction: list the missing shards, and check that new features would equal the stored ones."""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ravfeat.cache.format import ClipRecord, ShardContent, fingerprint, shard_file
from ravfeat.cache.index import provenance_sha256
from ravfeat.cache.index_table import INDEX_SCHEMA, IndexTable
from ravfeat.cache.known_shards import KnownShards, known_shards, make_sure_opens
from ravfeat.cache.shard import ShardHeader, foreign, open_shard, read_header
from ravfeat.cache.writer import CacheFolder
from ravfeat.errors import CacheError, ClipError, ShardError
from ravfeat.manifest import Clip

__all__ = [
    "MAX_DIFFERENCE",
    "Origin",
    "Worklist",
    "check_same_features",
    "find_work",
    "lost_clips",
    "origins_of",
]

_log = logging.getLogger(__name__)

MAX_DIFFERENCE = 1e-3
"""Largest relative difference that two library versions or devices may show within one cache."""

_COMPARED = 2  # stored clips that are encoded again for the comparison


@dataclass(frozen=True)
class Origin:
    """Shards that were written with the same library versions on the same kind of device.

    Attributes
    ----------
    provenance : mapping
    shards : tuple of int
        Only those that hold features.
    """

    provenance: Mapping[str, Any]
    shards: tuple[int, ...]


@dataclass(frozen=True)
class Worklist:
    """Existing shards of a cache, and the shards that one process has to write.

    Attributes
    ----------
    assigned : tuple of int
        Shards that this process is responsible for.
    absent : tuple of int
        Assigned shards that do not exist yet.
    stored : mapping of int to int
        Every existing shard, also those of other processes: how many clips are stored in it.
    reasons : mapping of int to mapping of str to str
        Shards with failed clips: the reason of each, by ``clip_id``.
    origins : tuple of Origin
        Where the stored features came from, in the order of the shards.
    """

    assigned: tuple[int, ...]
    absent: tuple[int, ...]
    stored: Mapping[int, int]
    reasons: Mapping[int, Mapping[str, str]]
    origins: tuple[Origin, ...]

    @property
    def failed(self) -> dict[str, int]:
        """Failed clips in the assigned shards: ``clip_id`` → shard."""
        return {clip_id: number for number in self.assigned for clip_id in self.reasons.get(number, ())}


def find_work(folder: CacheFolder, assigned: Sequence[int]) -> Worklist:
    """List what is there: from the index where it knows a shard, else from the shard's header.

    Raises
    ------
    ShardError
        Where a shard is damaged, belongs to another cache, or holds other clips than planned.
    """
    shards = known_shards(folder.path)
    index = IndexTable.of(INDEX_SCHEMA.empty_table()) if shards.index is None else shards.index
    # An index of an older version does not say who wrote a shard.
    known = {n for n in shards.known if shards.indexed[n].provenance_sha256} - _otherwise_planned(folder, index)
    to_read = {number: path for number, path in shards.paths.items() if number not in known}
    make_sure_opens(shards.indexed, to_read)
    headers = {number: read_header(path) for number, path in to_read.items()}
    for number, header in headers.items():
        _check_plan(folder, number, header)
    stored = _stored_counts(index, known) | {number: len(header.clips) for number, header in headers.items()}
    read = {n: {c.clip_id: c.reason for c in header.failed} for n, header in headers.items() if header.failed}
    return Worklist(
        tuple(assigned),
        tuple(number for number in assigned if number not in shards.paths),
        dict(sorted(stored.items())),
        dict(sorted((_failed_reasons(index, known) | read).items())),
        _origins(shards, headers, stored),
    )


def _otherwise_planned(folder: CacheFolder, index: IndexTable) -> set[int]:
    """Return the shards of an index whose clips are not those that the manifest plans there."""
    rows = folder.planned.manifest.ids.places(index.table["clip_id"])
    planned = np.where(rows >= 0, folder.planned.column[rows], -1)
    numbers = index.numbers[index.shards]
    wrong = set(np.unique(numbers[planned != numbers]).tolist())
    _, first = np.unique(rows, return_index=True)
    wrong |= set(np.delete(numbers, first).tolist())  # of clips that are there twice
    counts = zip(index.numbers.tolist(), np.diff(index.bounds).tolist(), strict=True)
    return wrong | {number for number, count in counts if count != folder.planned.count(number)}


def _stored_counts(index: IndexTable, known: Collection[int]) -> dict[int, int]:
    counts = np.bincount(index.shards[index.is_stored], minlength=len(index.numbers))
    return {n: count for n, count in zip(index.numbers.tolist(), counts.tolist(), strict=True) if n in known}


def _failed_reasons(index: IndexTable, known: Collection[int]) -> dict[int, dict[str, str]]:
    reasons: dict[int, dict[str, str]] = {}
    for row in index.table.select(["shard", "clip_id", "reason"]).filter(pa.array(~index.is_stored)).to_pylist():
        if row["shard"] in known:
            reasons.setdefault(row["shard"], {})[row["clip_id"]] = row["reason"]
    return reasons


def _origins(shards: KnownShards, headers: Mapping[int, ShardHeader], stored: Mapping[int, int]) -> tuple[Origin, ...]:
    """Group the shards that hold features by their provenance; the header of one of each is read."""
    groups: dict[str, list[int]] = {}
    for number in sorted(number for number, count in stored.items() if count):
        digest = shards.indexed[number].provenance_sha256 if number not in headers else None
        groups.setdefault(digest or provenance_sha256(headers[number].provenance), []).append(number)
    # The first and the last are what new features are compared with.
    ends = {number for numbers in groups.values() for number in (numbers[0], numbers[-1]) if number not in headers}
    make_sure_opens(shards.indexed, {number: shards.paths[number] for number in ends})
    read = {number: read_header(shards.paths[number]) for number in ends}
    return origins_of({**headers, **read}, groups.values())


def origins_of(headers: Mapping[int, ShardHeader], groups: Iterable[Sequence[int]] | None = None) -> tuple[Origin, ...]:
    """Group shards by their provenance.

    Parameters
    ----------
    headers : mapping of int to ShardHeader
    groups : iterable of sequence of int, optional
        Shards of one provenance each, of which the header of the first is there; by default made from the headers.
    """
    if groups is None:
        by_provenance: dict[str, list[int]] = {}
        for number, header in headers.items():
            if header.clips:
                by_provenance.setdefault(provenance_sha256(header.provenance), []).append(number)
        groups = by_provenance.values()
    return tuple(Origin(headers[numbers[0]].provenance, tuple(numbers)) for numbers in groups)


def _check_plan(folder: CacheFolder, number: int, header: ShardHeader) -> None:
    path = folder.path / shard_file(number)
    if problem := foreign(header, fingerprint(folder.identity), str(folder.about["corpus"])):
        raise ShardError(f"{path} {problem}; move it away")
    planned = {clip.clip_id for clip in folder.planned.clips_of(number)}
    stored = {clip.clip_id for clip in header.clips} | {clip.clip_id for clip in header.failed}
    if planned != stored or header.number != number:
        raise ShardError(
            f"{path} holds {len(stored)} clips, the manifest plans {len(planned)} there,"
            f" {len(planned ^ stored)} differ; 'ravfeat cache verify {folder.path}' names them"
        )


def lost_clips(folder: CacheFolder, content: ShardContent) -> list[str]:
    """List the clips that the shard on the disk holds and its replacement would not."""
    if not folder.holds(content.number):
        return []
    header = read_header(folder.fetched(content.number))
    return sorted({clip.clip_id for clip in header.clips} - {clip.clip_id for clip in content.clips})


def check_same_features(
    folder: CacheFolder,
    origins: Sequence[Origin],
    provenance: Mapping[str, Any],
    block_of: Callable[[Clip], NDArray[Any]],
) -> None:
    """Encode two stored clips again before other versions or another device continue a cache.

    Parameters
    ----------
    folder : CacheFolder
    origins : sequence of Origin
        Of the existing shards that will not be rewritten.
    provenance : mapping
        Of this run.
    block_of : callable
        Encodes a clip to its stored block (L, T, D); raises a ClipError where it cannot.

    Raises
    ------
    CacheError
        Where the features differ by more than `MAX_DIFFERENCE` (Euclidean norm of the difference
        over that of the stored block), or the given data contain none of the stored clips.
    """
    others = [origin for origin in origins if origin.provenance != provenance and origin.shards]
    if not others:
        return
    changes = _changes(others[0].provenance, provenance)
    _log.info("stored shards were written with %s; encoding stored clips again", changes)
    planned = folder.planned.manifest.by_id()
    differences: dict[str, float] = {}
    for number, record in _samples(folder, sorted(number for origin in others for number in origin.shards)):
        try:
            block = block_of(planned[record.clip_id])
        except ClipError as error:
            _log.info("%s cannot be compared: %s", record.clip_id, error)
            continue
        differences[record.clip_id] = relative_difference(block, _stored_block(folder, number, record))
        if len(differences) == _COMPARED:
            break
    remedy = f"{folder.path} was written with {changes}; go back to that, or choose another --out"
    if not differences:
        raise CacheError(f"none of the stored clips is among the data given now, so none can be compared: {remedy}")
    if any(not difference <= MAX_DIFFERENCE for difference in differences.values()):  # `not <=`: NaN is refused too
        measured = ", ".join(f"'{clip_id}' by {difference:.1e}" for clip_id, difference in differences.items())
        raise CacheError(
            f"stored clips come out differently now: {measured} relative, at most {MAX_DIFFERENCE:.0e} is taken."
            f" {remedy}"
        )


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    changed = sorted(key for key in {*before, *now} if before.get(key) != now.get(key))
    return ", ".join(f"{key} {before.get(key)} (this run: {now.get(key)})" for key in changed)


def _samples(folder: CacheFolder, shards: Sequence[int]) -> Iterator[tuple[int, ClipRecord]]:
    """Yield the first clip, the last clip, and then the others, in case some cannot be read."""
    first = read_header(folder.fetched(shards[0])).clips[0]
    yield shards[0], first
    for number in reversed(shards):
        for clip in reversed(read_header(folder.fetched(number)).clips):
            if clip.clip_id != first.clip_id:
                yield number, clip


def _stored_block(folder: CacheFolder, number: int, record: ClipRecord) -> NDArray[Any]:
    with open_shard(folder.fetched(number)) as file:
        return np.asarray(file["features"][:, record.frame_start : record.frame_start + record.n_frames])


def relative_difference(new: NDArray[Any], stored: NDArray[Any]) -> float:
    """Euclidean norm of the difference over that of the stored block; infinite for other shapes."""
    if new.shape != stored.shape:
        return float("inf")
    # In double precision: squares of float16 values overflow.
    old = stored.astype(np.float64)
    return float(np.linalg.norm(new.astype(np.float64) - old) / max(float(np.linalg.norm(old)), 1e-12))
