"""Resume an extraction: list the missing shards, and check that new features would equal the stored ones."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.cache.format import ClipRecord, ShardContent, fingerprint, shard_file
from ravfeat.cache.index import present_shards
from ravfeat.cache.shard import ShardHeader, foreign, open_shard, read_header
from ravfeat.cache.writer import CacheFolder
from ravfeat.errors import CacheError, ClipError, ShardError
from ravfeat.manifest import Clip

__all__ = ["MAX_DIFFERENCE", "Origin", "Worklist", "check_same_features", "find_work", "lost_clips"]

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
    headers : dict of int to ShardHeader
        Every existing shard, also those of other processes.
    """

    assigned: tuple[int, ...]
    absent: tuple[int, ...]
    headers: Mapping[int, ShardHeader]

    @property
    def failed(self) -> dict[str, int]:
        """Failed clips in the assigned shards: ``clip_id`` → shard."""
        present = (number for number in self.assigned if number in self.headers)
        return {clip.clip_id: number for number in present for clip in self.headers[number].failed}

    @property
    def reasons(self) -> dict[int, dict[str, str]]:
        """Shards with failed clips: the reason of each, by ``clip_id``."""
        return {n: {c.clip_id: c.reason for c in header.failed} for n, header in self.headers.items() if header.failed}

    @property
    def origins(self) -> tuple[Origin, ...]:
        """Where the stored features came from, in the order of the shards."""
        shards: list[tuple[Mapping[str, Any], list[int]]] = []
        for number, header in self.headers.items():
            if not header.clips:
                continue
            same = next((numbers for provenance, numbers in shards if provenance == header.provenance), None)
            if same is None:
                shards.append((header.provenance, [number]))
            else:
                same.append(number)
        return tuple(Origin(provenance, tuple(numbers)) for provenance, numbers in shards)


def find_work(folder: CacheFolder, assigned: Sequence[int]) -> Worklist:
    """Read the header of every existing shard.

    Raises
    ------
    ShardError
        Where a shard is damaged, belongs to another cache, or holds other clips than planned.
    """
    headers = {number: read_header(path) for number, path in present_shards(folder.path).items()}
    for number, header in headers.items():
        _check_plan(folder, number, header)
    return Worklist(tuple(assigned), tuple(number for number in assigned if number not in headers), headers)


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
