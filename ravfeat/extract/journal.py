"""Keep what is encoded of unfinished shards in files beside them, and take it over when a run continues.

A shard is written when all its clips are encoded, which can take many minutes on a processor. So about every quarter
of a minute the clips that are ready are written as a *part* of their shard, see `ravfeat.cache.parts`.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.cache.format import ClipRecord, ShardContent, fingerprint
from ravfeat.cache.parts import part_number, present_parts, read_part
from ravfeat.cache.writer import CacheFolder
from ravfeat.errors import ShardError
from ravfeat.extract.reduce import StoredClip
from ravfeat.extract.shard_builder import RestoredClip
from ravfeat.media.source import Recording

__all__ = ["SAVE_EVERY_S", "RestoredShard", "restore_shard"]

_log = logging.getLogger(__name__)

SAVE_EVERY_S = 15.0
"""Seconds between two parts: what a killed run loses at most, beside the batches under way. A GPU finishes whole
shards in less time, so that parts cost it next to nothing."""


@dataclass(frozen=True)
class RestoredShard:
    """What an interrupted run has encoded of a shard.

    Attributes
    ----------
    clips : mapping of str to RestoredClip
        By ``clip_id``.
    n_parts : int
        The number of the next part.
    """

    clips: Mapping[str, RestoredClip]
    n_parts: int


def restore_shard(folder: CacheFolder, number: int, provenance: Mapping[str, Any]) -> RestoredShard | None:
    """Read the parts of a shard that is still to be written; None where there are none.

    A part that is damaged, or was made in another way, is deleted: its clips are encoded again.

    Parameters
    ----------
    folder : CacheFolder
    number : int
        A shard that this process has locked.
    provenance : mapping
        Of this run. A shard is of one kind: parts of other library versions or of another device are not used.
    """
    paths = present_parts(folder.path, number)
    clips: dict[str, RestoredClip] = {}
    for path in paths:
        try:
            part = read_part(path)
            _check(folder, number, provenance, part)
        except ShardError as error:
            _log.warning("%s is not used, its clips are encoded again: %s", path.name, error)
            path.unlink(missing_ok=True)
        else:
            clips |= _clips(part)
    if not clips:
        return None
    return RestoredShard(clips, part_number(paths[-1]) + 1)


def _check(folder: CacheFolder, number: int, provenance: Mapping[str, Any], part: ShardContent) -> None:
    if part.number != number or fingerprint(part.identity) != fingerprint(folder.identity):
        raise ShardError("it belongs to another shard or another cache")
    if part.provenance != provenance:
        raise ShardError("it was made with other library versions or on another device")
    planned = {clip.clip_id: clip for clip in folder.planned.clips_of(number)}
    for record in part.clips:
        clip = planned.get(record.clip_id)
        if clip is None or _facts(clip) != _facts(record):
            raise ShardError(f"clip '{record.clip_id}' is planned otherwise")


def _facts(clip: Any) -> tuple[str, ...]:
    return clip.performance_id, clip.actor, clip.gender, clip.label


def _clips(part: ShardContent) -> dict[str, RestoredClip]:
    columns: Sequence[Mapping[str, NDArray[np.float32]]] = part.columns or [{}] * len(part.clips)
    return {
        record.clip_id: (
            _recording(record),
            StoredClip(block, times_s, values, 0, 0, 0, record.features_sha256, record.layers_sha256),
        )
        for record, block, times_s, values in zip(part.clips, part.features, part.times_s, columns, strict=True)
    }


def _recording(record: ClipRecord) -> Recording:
    further = {name: value for name, value in record.further.items() if isinstance(value, float)}
    return Recording(record.n_samples, record.rate_hz, record.input_sha256, further)
