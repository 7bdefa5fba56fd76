"""What is still to do, and whether it may be added to what is there.

Offers
------
pending_shards, check_same_features, MAX_DIFFERENCE.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ravfeat.cache.format import StoreRecipe, shard_file
from ravfeat.cache.index import present_shards
from ravfeat.cache.shard import ShardHeader, open_shard, read_header
from ravfeat.cache.writer import CacheFolder
from ravfeat.encoders.base import Encoder
from ravfeat.errors import CacheError, ShardError
from ravfeat.extract.decode import DecodedClip
from ravfeat.extract.store import to_stored
from ravfeat.manifest import Clip

__all__ = ["MAX_DIFFERENCE", "check_same_features", "pending_shards"]

_log = logging.getLogger(__name__)

MAX_DIFFERENCE = 1e-3
"""Largest relative difference between features of two library versions or devices in one cache."""


def pending_shards(
    folder: CacheFolder, mine: Sequence[int], decode: Callable[[Clip], DecodedClip]
) -> tuple[list[int], dict[int, ShardHeader]]:
    """Find the shards that this process has to write.

    A shard that is there is done, unless it has failed clips of which one can be decoded now, or
    one that failed in the encoder.

    Parameters
    ----------
    folder : CacheFolder
    mine : sequence of int
        Shards this process is responsible for.
    decode : callable

    Returns
    -------
    pending : list of int
    done : dict of int to ShardHeader
        Shards that are there and stay as they are.

    Raises
    ------
    ShardError
        Where a shard that is there is damaged or holds other clips than planned.
    """
    present = present_shards(folder.path)
    clips = folder.planned.manifest.by_id()
    pending: list[int] = []
    done: dict[int, ShardHeader] = {}
    for number in mine:
        if number not in present:
            pending.append(number)
            continue
        header = read_header(present[number])
        _check_plan(folder, number, header)
        retry = [clips[failed.clip_id] for failed in header.failed]
        by_encoder = any(failed.stage == "encode" for failed in header.failed)
        if by_encoder or any(decode(clip).prepared is not None for clip in retry):
            pending.append(number)
        else:
            done[number] = header
    return pending, done


def _check_plan(folder: CacheFolder, number: int, header: ShardHeader) -> None:
    planned = {clip.clip_id for clip in folder.planned.clips_of(number)}
    stored = {clip.clip_id for clip in (*header.clips, *header.failed)}
    if planned != stored:
        raise ShardError(
            f"{folder.path / shard_file(number)} holds {len(stored)} clips, the manifest plans {len(planned)} there,"
            f" {len(planned ^ stored)} differ; 'ravfeat cache verify {folder.path}' names them"
        )


def check_same_features(
    folder: CacheFolder,
    done: Mapping[int, ShardHeader],
    provenance: Mapping[str, Any],
    encoder: Encoder,
    recipe: StoreRecipe,
    decode: Callable[[Clip], DecodedClip],
) -> None:
    """Before a cache is continued under other versions or on another device: encode two of its clips again.

    Raises
    ------
    CacheError
        Where the features differ by more than `MAX_DIFFERENCE` (Euclidean norm of the difference
        over that of the stored block).
    """
    others = [header for header in done.values() if header.provenance != provenance and header.clips]
    if not others:
        return
    changed = sorted(
        key
        for key in {*others[0].provenance, *provenance}
        if others[0].provenance.get(key) != provenance.get(key)
    )
    _log.info("stored shards were written with other %s; encoding two stored clips again", ", ".join(changed))
    planned = folder.planned.manifest.by_id()
    samples = dict.fromkeys([(others[0].number, others[0].clips[0]), (others[-1].number, others[-1].clips[-1])])
    for number, record in samples:
        decoded = decode(planned[record.clip_id])
        if decoded.prepared is None:
            _log.warning("%s cannot be encoded again to compare: %s", record.clip_id, decoded.reason)
            continue
        block, _ = to_stored(
            encoder.encode([decoded.prepared])[0], encoder.times_s(decoded.prepared.n_frames), recipe
        )
        with open_shard(folder.path / shard_file(number)) as file:
            stored = file["features"][:, record.frame_start : record.frame_start + record.n_frames]
        difference = relative_difference(block, stored)
        if not difference <= MAX_DIFFERENCE:
            raise CacheError(
                f"clip '{record.clip_id}' comes out differently now: relative difference {difference:.1e}, at most"
                f" {MAX_DIFFERENCE:.0e} is taken. {folder.path} was written with other {', '.join(changed)};"
                " go back to them, or choose another --out"
            )


def relative_difference(new: np.ndarray[Any, Any], stored: np.ndarray[Any, Any]) -> float:
    """Euclidean norm of the difference over that of the stored block; infinite for other shapes."""
    if new.shape != stored.shape:
        return float("inf")
    old = stored.astype(np.float64)
    return float(np.linalg.norm(new.astype(np.float64) - old) / max(float(np.linalg.norm(old)), 1e-12))
