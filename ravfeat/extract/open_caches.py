"""Open and lock the caches of a run, and decide which shards each encoder has to write."""

import platform
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ravfeat import __version__
from ravfeat.cache.locks import WorkLock
from ravfeat.cache.writer import CacheFolder, plan_cache, prepare_cache
from ravfeat.errors import ClipError, UsageError
from ravfeat.extract.batch_plan import BatchLimits
from ravfeat.extract.decode import EncoderIndex
from ravfeat.extract.encode import encode_clip
from ravfeat.extract.encoder_job import EncoderJob
from ravfeat.extract.journal import RestoredShard, restore_shard
from ravfeat.extract.reduce import ClipReducer
from ravfeat.extract.request import Extraction, read_planned_clip
from ravfeat.extract.resume import Worklist, check_same_features, find_work
from ravfeat.extract.retry import retry_failed
from ravfeat.extract.size import MissingBytes, check_disk, missing_bytes, planned_bytes
from ravfeat.manifest import Clip

__all__ = ["check_space", "folder_of", "limits_of", "open_jobs", "planned_folder_of", "provenance_of"]


def open_jobs(
    requests: Sequence[Extraction], out: Path, available: Mapping[str, Clip], locks: ExitStack
) -> list[EncoderJob]:
    """Find or create the cache of every extraction, lock its shards, and decide which to write.

    Parameters
    ----------
    requests : sequence of Extraction
    out : Path
    available : mapping of str to Clip
        Clips in the given data, by ``clip_id``.
    locks : ExitStack
        Holds the locks until the run ends.

    Raises
    ------
    CacheError, UsageError
        See `ravfeat.extract.extract_together`.
    """
    check_space(requests, out)
    folders = [folder_of(request, out) for request in requests]
    _check_distinct(requests, folders)
    opened = [
        _open(request, folder, locks.enter_context(WorkLock(folder.path)))
        for request, folder in zip(requests, folders, strict=True)
    ]
    return [
        _job(index, cache, available, recovered) for index, (cache, recovered) in enumerate(_retried(opened, available))
    ]


def _check_distinct(work: Sequence[Extraction], folders: Sequence[CacheFolder]) -> None:
    for number, folder in enumerate(folders):
        for before in range(number):
            if folders[before].path == folder.path:
                names = f"'{work[before].encoder.spec.name}' and '{work[number].encoder.spec.name}'"
                raise UsageError(f"the encoders {names} are the same; name every --encoder once")


@dataclass(frozen=True)
class _OpenCache:
    """A locked cache and its existing shards."""

    request: Extraction
    folder: CacheFolder
    lock: WorkLock
    worklist: Worklist


def _open(request: Extraction, folder: CacheFolder, lock: WorkLock) -> _OpenCache:
    assigned = request.assigned(folder.planned.numbers)
    # Claim before looking: a shard that another process is just writing must not be counted as missing.
    lock.claim(assigned)
    folder.remove_leftovers(assigned)
    return _OpenCache(request, folder, lock, find_work(folder, assigned))


def _retried(opened: Sequence[_OpenCache], available: Mapping[str, Clip]) -> list[tuple[_OpenCache, set[str]]]:
    """Pair every cache with the ids of its failed clips that can be stored now."""
    failed = {index: list(cache.worklist.failed) for index, cache in enumerate(opened)}
    clips = {clip.clip_id: clip for cache in opened for clip in cache.folder.planned.manifest}
    recovered = retry_failed(
        failed,
        {index: (cache.request.encoder, cache.request.recipe) for index, cache in enumerate(opened)},
        clips,
        partial(read_planned_clip, opened[0].request, available),
    )
    return [(cache, recovered[index]) for index, cache in enumerate(opened)]


def _job(index: EncoderIndex, opened: _OpenCache, available: Mapping[str, Clip], recovered: set[str]) -> EncoderJob:
    request, worklist = opened.request, opened.worklist
    pending, provenance = worklist.pending(recovered), provenance_of(request)
    if pending:
        others = [header for number, header in worklist.headers.items() if number not in pending]
        # Compared with shards of all processes, not only assigned ones: one cache has one kind of features.
        check_same_features(opened.folder, others, provenance, partial(_block_of, request, available))
    restored = _restored(opened, pending, provenance)
    return EncoderJob(
        index, request.encoder, request.recipe, opened.folder, opened.lock, provenance, worklist.assigned, pending,
        limits_of(request), restored,
    )  # fmt: skip


def _block_of(request: Extraction, available: Mapping[str, Clip], clip: Clip) -> NDArray[Any]:
    """Encode a clip to its stored block (L, T, D), for comparison; a ClipError where it cannot be stored."""
    reducer = ClipReducer(request.recipe, request.encoder.spec.stream)
    read = partial(read_planned_clip, request, available)
    encoded = encode_clip(clip, read, {0: request.encoder}, {0: reducer})
    for reason in encoded.reasons.values():
        raise ClipError(reason)
    return encoded.results[0].block


def _restored(opened: _OpenCache, pending: Sequence[int], provenance: Mapping[str, Any]) -> dict[int, RestoredShard]:
    """Take over what an interrupted run has encoded; delete what it left of shards that need nothing more."""
    restored = {}
    for number in opened.worklist.assigned:
        if number not in pending:
            opened.folder.remove_parts(number)
        elif (shard := restore_shard(opened.folder, number, provenance)) is not None:
            restored[number] = shard
    return restored


def check_space(requests: Sequence[Extraction], out: Path, **options: str) -> None:
    """Refuse extractions whose missing shards, also those of other processes, do not fit on the disk.

    Raises
    ------
    CacheError
        See `ravfeat.extract.size.check_disk`, which the options go to.
    """
    missing = MissingBytes()
    for request in requests:
        folder = planned_folder_of(request, out)
        missing += missing_bytes(request, folder, folder.planned.numbers)
    check_disk(missing, out, **options)


def folder_of(request: Extraction, out: Path) -> CacheFolder:
    """Find or create the cache of an extraction."""
    return prepare_cache(out, request.manifest, *_describe(request), partial(planned_bytes, request))


def planned_folder_of(request: Extraction, out: Path) -> CacheFolder:
    """Return the cache of an extraction as `folder_of` would, and write nothing."""
    return plan_cache(out, request.manifest, *_describe(request), partial(planned_bytes, request))


def _describe(request: Extraction) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a cache says of itself, and its identity."""
    spec, recipe = request.encoder.spec, request.recipe
    about = {
        "corpus": request.manifest.corpus,
        "synthetic": request.manifest.synthetic,
        "stream": spec.stream,
        "encoder": spec.name,
    }
    return about, spec.identity() | recipe.identity(spec.n_layers, spec.stream)


def limits_of(request: Extraction) -> BatchLimits:
    """Return the bounds of the batches of an extraction."""
    device = str(request.encoder.provenance().get("device", "cpu"))
    return BatchLimits.of(device, clips=request.batch_clips, seconds=request.batch_s, frames=request.batch_frames)


def provenance_of(request: Extraction) -> dict[str, Any]:
    """Return versions and device of this run; recorded per shard, never part of the identity."""
    libraries = {name: version(name) for name in ("numpy", "h5py")}
    versions = {"python": platform.python_version(), "ravfeat": __version__} | libraries
    return versions | request.source.provenance() | request.encoder.provenance()
