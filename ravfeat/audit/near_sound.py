"""Find near copies of training clips among test clips by their sound, where the recordings are at hand.

Pooled features tell copies that were changed little (`ravfeat.audit.near_copies`); sound tells nearly all, see
`ravfeat.explore.fingerprint`. A cache keeps no sound, so somebody has to say where the recordings lie. The digests that
it keeps say whether they are those that it was made of.

Measured on RAVDESS (1440 clips, and changed copies of 100): no two clips of two actors are more alike than 0.53, takes
of one actor than 0.80; copies with noise at 10 dB are by at least 0.98, at 5 dB 0.88, as mp3 of 16 kbit/s 0.97, without
the silence around them 1.00; over a telephone half by 0.91 and more. Generated voices of 0.66 s: 0.74, copies at 10 dB
0.94.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ravfeat.audit.context import RunContext
from ravfeat.audit.folds import system_name
from ravfeat.audit.verdicts import Line, not_possible, pass_, warn
from ravfeat.cache import Cache
from ravfeat.clips import Clip
from ravfeat.crosscorpus.pairs import CorpusPair
from ravfeat.errors import MediaError, UsageError
from ravfeat.experiment.systems import CacheSystem
from ravfeat.explore.fingerprint import envelope_moves, near_pairs
from ravfeat.explore.pooled import drawn
from ravfeat.media.data_folder import find_recordings
from ravfeat.media.parts import PartReader
from ravfeat.progress import track_progress
from ravfeat.protocols.folds import Fold
from ravfeat.runs.trust import is_imported

__all__ = ["CHECK", "DIGESTS", "SAME", "Recordings", "check_near_sound", "find_all_recordings"]

CHECK, DIGESTS = "near copies by sound", "recordings are those of the cache"

SAME = 0.85
"""Correlation from which two clips on two sides are named."""

_MOST_CLIPS, _THREADS, _NAMED = 5000, 4, 3
_SHORT = "too short to be told from another"


@dataclass(frozen=True)
class Recordings:
    """Recordings of the clips that one or more systems train and test on.

    Attributes
    ----------
    system : CacheSystem
        The first of them.
    clips : tuple of (Clip, Path, str)
        Of all its rows: what is read, the folder that its path is relative to, and the digest that the cache keeps of
        the sound; empty where it keeps that of pictures.
    """

    system: CacheSystem
    clips: tuple[tuple[Clip, Path, str], ...]


@dataclass(frozen=True)
class _Heard:
    """Of the rows that were listened to: what they sound like, their digests, and why some could not be compared."""

    rows: tuple[int, ...]
    moves: tuple[NDArray[np.float32], ...]
    digests: tuple[str, ...]
    unread: Mapping[str, str]


def find_all_recordings(context: RunContext, data: Sequence[Path] = ()) -> list[Recordings]:
    """Find the recordings of a run's systems; systems of the same performances and folds are listened to once.

    Parameters
    ----------
    context : RunContext
    data : sequence of Path
        Folders that the caches' paths are relative to, or tables in them; by default ``.`` and ``data/CORPUS``.

    Raises
    ------
    UsageError
        Where the recordings of none of these systems are there.
    """
    if context.prepared is None:
        return []
    encoded = [system for system in context.prepared.systems if _encoded_here(system)]
    ordered = sorted(encoded, key=lambda system: (_same_rows(system), system.stream != "audio"))
    return [_first_found(list(systems), data) for _, systems in groupby(ordered, _same_rows)]


def check_near_sound(found: Sequence[Recordings]) -> list[Line]:
    """Listen to the recordings, hold them against the caches, and compare those on two sides of a fold."""
    if not found:
        return [not_possible(CHECK, "", "there is no cache of the run that was encoded from recordings")]
    return [line for recordings in found for line in _check(recordings)]


def _check(recordings: Recordings) -> Iterator[Line]:
    subject, records = system_name(recordings.system), recordings.system.clips.records
    rows = drawn(np.arange(len(records)), _MOST_CLIPS)
    heard = _listen(recordings, rows.tolist())
    if len(heard.unread) > len(rows) / 2:
        clip_id, reason = next(iter(heard.unread.items()))
        few = f"{len(heard.unread)} of {len(rows)} recordings cannot be compared ({clip_id}: {reason})"
        hint = "" if reason == _SHORT else "; --data DIR says where they lie"
        yield not_possible(CHECK, subject, f"{few}{hint}")
        return
    yield from _held_against_digests(recordings, heard, subject)
    sides = _sides(recordings.system.folds, len(records))
    # Equal recordings are found by their digests.
    alike = [(heard.rows[a], heard.rows[b], r) for a, b, r in near_pairs(heard.moves, SAME)
             if heard.digests[a] != heard.digests[b]]  # fmt: skip
    apart = [(a, b, r) for a, b, r in alike if (sides[:, a] + sides[:, b] == 3).any()]
    same = [(records[a].clip_id, records[b].clip_id, r) for a, b, r in apart]
    evidence = {
        "clips": len(heard.rows),
        "unread": dict(heard.unread),
        "pairs": [{"clips": [a, b], "similarity": round(r, 4)} for a, b, r in same[:20]],
    }
    of_all = f" of {len(records)}" if len(heard.rows) < len(records) else ""
    looked = f"{len(heard.rows)}{of_all} clips by their sound{_unread(heard.unread)}"
    if same:
        first = "; ".join(f"{a} and {b} ({r:.2f})" for a, b, r in same[:_NAMED])
        pairs = f"{len(same)} pairs on two sides of a fold are" if same[1:] else "1 pair on two sides of a fold is"
        finding = (
            f"{looked}: {pairs} as alike as copies (a correlation from {SAME:g}): {first}; listen to them: a beep or a"
            " background that recordings share makes them alike, too"
        )
        yield warn(CHECK, subject, finding, **evidence)
        return
    finding = (
        f"{looked}: no two on two sides of a fold are as alike as copies (a correlation from {SAME:g}); copies at"
        " another speed, of a part of a clip or changed much would not be seen"
    )
    yield pass_(CHECK, subject, finding, **evidence)


def _held_against_digests(recordings: Recordings, heard: _Heard, subject: str) -> Iterator[Line]:
    """Compare digests, where the cache keeps those of sounds."""
    kept = [(*recordings.clips[row], digest) for row, digest in zip(heard.rows, heard.digests, strict=True)]
    kept = [each for each in kept if each[2]]
    if not kept:
        return
    others = [f"{root / clip.path}" for clip, root, stored, digest in kept if stored != digest]
    if not others:
        yield pass_(DIGESTS, subject, f"{len(kept)} recordings have the digests that the cache keeps")
        return
    more = f" and {len(others) - 1} more" if others[1:] else ""
    yield warn(
        DIGESTS,
        subject,
        f"{len(others)} of {len(kept)} recordings are other ones than the cache was made of: {others[0]}{more};"
        f" '{CHECK}' says what these sound like",
        recordings=len(kept),
        others=others[:20],
    )


def _sides(folds: Sequence[Fold], n: int) -> NDArray[np.int8]:
    """Give the side of every row in every fold, of shape (F, N): 1 trained on or validated on, 2 tested, 0 neither."""
    sides = np.zeros((len(folds), n), np.int8)
    for side, fold in zip(sides, folds, strict=True):
        side[np.concatenate([fold.train, fold.val])] = 1
        side[fold.test] = 2
    return sides


def _listen(recordings: Recordings, rows: Sequence[int]) -> _Heard:
    reader = PartReader()

    def hear(row: int) -> tuple[NDArray[np.float32], str] | str:
        clip, root, _ = recordings.clips[row]
        try:
            waveform = reader.read(root / clip.path, clip.start_s, clip.end_s)
        except MediaError as error:
            return str(error).replace(f"{root}/", "")
        moves = envelope_moves(waveform.samples, waveform.sample_rate_hz)
        return (moves, waveform.sha256) if len(moves) else _SHORT

    heard, unread = {}, {}
    with ThreadPoolExecutor(_THREADS) as pool:
        results = track_progress(
            pool.map(hear, rows), total=len(rows), desc="listening", unit="clip", leave=False, delay=1.0
        )
        for row, result in zip(rows, results, strict=True):
            if isinstance(result, str):
                unread[recordings.clips[row][0].clip_id] = result
            else:
                heard[row] = result
    moves, digests = zip(*heard.values(), strict=True) if heard else ((), ())
    return _Heard(tuple(heard), moves, digests, unread)


def _first_found(systems: Sequence[CacheSystem], data: Sequence[Path]) -> Recordings:
    """Take the first of systems of the same rows whose recordings are there."""
    refused = []
    for system in systems:
        try:
            return Recordings(system, tuple(_clips_of(system, data)))
        except UsageError as error:
            refused.append(error)
    raise refused[0]


def _clips_of(system: CacheSystem, data: Sequence[Path]) -> Iterator[tuple[Clip, Path, str]]:
    pairs = list(zip(system.caches, system.clip_ids, strict=True))
    # Concatenated caches are of the same recordings.
    for cache, clip_ids in pairs if isinstance(system, CorpusPair) else pairs[:1]:
        manifest = cache.planned_manifest
        root = find_recordings(manifest, data, f"{cache.path.name} ({manifest.corpus})")
        clips, records = {clip.clip_id: clip for clip in manifest}, cache.records()
        of_sound = cache.about["stream"] == "audio"
        for clip_id in clip_ids:
            yield clips[clip_id], root, records[clip_id].input_sha256 if of_sound else ""


def _encoded_here(system: CacheSystem) -> bool:
    caches: Sequence[Cache] = system.caches if isinstance(system, CorpusPair) else system.caches[:1]
    return not any(is_imported(cache.identity) for cache in caches)


def _same_rows(system: CacheSystem) -> tuple[tuple[str, ...], ...]:
    records = system.clips.records
    tested = (tuple(records[row].performance_id for row in fold.test.tolist()) for fold in system.folds)
    return (tuple(record.performance_id for record in records), *tested)


def _unread(unread: Mapping[str, str]) -> str:
    if not unread:
        return ""
    clip_id, reason = next(iter(unread.items()))
    return f" ({len(unread)} could not be compared, {clip_id}: {reason})"
