"""Find the caches of extractions, and decide which of some shards each encoder has to write."""

import platform
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ravfeat import __version__
from ravfeat.cache.writer import CacheFolder, plan_cache, prepare_cache
from ravfeat.errors import ClipError
from ravfeat.extract.batch_plan import BatchLimits
from ravfeat.extract.decode import EncoderIndex
from ravfeat.extract.encode import encode_clip
from ravfeat.extract.encoder_job import EncoderJob
from ravfeat.extract.journal import RestoredShard, restore_shard
from ravfeat.extract.reduce import ClipReducer
from ravfeat.extract.request import Extraction, read_planned_clip
from ravfeat.extract.resume import Origin, check_same_features
from ravfeat.extract.retry import retry_failed
from ravfeat.extract.size import MissingBytes, advise_pooled, check_disk, missing_bytes, planned_bytes
from ravfeat.manifest import Clip

__all__ = [
    "OpenCache",
    "check_space",
    "folder_of",
    "identity_of",
    "limits_of",
    "open_jobs",
    "planned_folder_of",
    "provenance_of",
]


@dataclass(frozen=True)
class OpenCache:
    """A cache in which this process has locked some shards.

    Attributes
    ----------
    request : Extraction
    folder : CacheFolder
    shards : tuple of int
        The locked ones.
    failed : mapping of int to collection of str
        Shards with failed clips that are to be tried again.
    origins : sequence of Origin
        Of the stored features, where they are still to be compared with what this process encodes.
    """

    request: Extraction
    folder: CacheFolder
    shards: tuple[int, ...]
    failed: Mapping[int, Collection[str]]
    origins: Sequence[Origin]


def open_jobs(caches: Sequence[OpenCache], available: Mapping[str, Clip]) -> list[EncoderJob]:
    """Decide which of the locked shards each encoder has to write, and take over what an interrupted run left.

    Parameters
    ----------
    caches : sequence of OpenCache
    available : mapping of str to Clip
        Clips in the given data, by ``clip_id``.

    Raises
    ------
    CacheError
        Where the installed library versions give other features than those stored.
    """
    return [_job(index, cache, available, ids) for index, (cache, ids) in enumerate(_retried(caches, available))]


def _retried(caches: Sequence[OpenCache], available: Mapping[str, Clip]) -> list[tuple[OpenCache, set[str]]]:
    """Pair every cache with the ids of its failed clips that can be stored now."""
    failed = {index: [clip for ids in cache.failed.values() for clip in ids] for index, cache in enumerate(caches)}
    clips = {
        clip.clip_id: clip
        for cache in caches
        for number in cache.failed
        for clip in cache.folder.planned.clips_of(number)
    }
    recovered = retry_failed(
        failed,
        {index: (cache.request.encoder, cache.request.recipe) for index, cache in enumerate(caches)},
        clips,
        partial(read_planned_clip, [cache.request for cache in caches], available),
    )
    return [(cache, recovered[index]) for index, cache in enumerate(caches)]


def _job(index: EncoderIndex, cache: OpenCache, available: Mapping[str, Clip], recovered: set[str]) -> EncoderJob:
    request, folder = cache.request, cache.folder
    gaining = {number for number, ids in cache.failed.items() if not recovered.isdisjoint(ids)}
    stored = folder.present(cache.shards)
    pending = tuple(number for number in cache.shards if number in gaining or number not in stored)
    provenance = provenance_of(request)
    if pending:
        # Compared with shards of all processes, not only locked ones: one cache has one kind of features.
        kept = [Origin(origin.provenance, tuple(set(origin.shards) - set(pending))) for origin in cache.origins]
        check_same_features(folder, kept, provenance, partial(_block_of, request, available))
    restored = _restored(cache, pending, provenance)
    return EncoderJob(
        index, request.encoder, request.recipe, folder, provenance, cache.shards, pending, limits_of(request), restored
    )


def _block_of(request: Extraction, available: Mapping[str, Clip], clip: Clip) -> NDArray[Any]:
    """Encode a clip to its stored block (L, T, D), for comparison; a ClipError where it cannot be stored."""
    reducer = ClipReducer(request.recipe, request.encoder.spec.stream)
    read = partial(read_planned_clip, [request], available)
    encoded = encode_clip(clip, read, {0: request.encoder}, {0: reducer})
    for reason in encoded.reasons.values():
        raise ClipError(reason)
    return encoded.results[0].block


def _restored(cache: OpenCache, pending: Sequence[int], provenance: Mapping[str, Any]) -> dict[int, RestoredShard]:
    """Take over what an interrupted run has encoded; delete what it left of shards that need nothing more."""
    restored = {}
    for number in cache.shards:
        if number not in pending:
            cache.folder.remove_parts(number)
        elif (shard := restore_shard(cache.folder, number, provenance)) is not None:
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
        lacking = missing_bytes(request, folder, folder.planned.numbers)
        missing += lacking
        if advice := advise_pooled(request, lacking, len(folder.planned.manifest)):
            warnings.warn(advice, stacklevel=2)
    check_disk(missing, out, **options)


def folder_of(request: Extraction, out: Path) -> CacheFolder:
    """Find or create the cache of an extraction."""
    return prepare_cache(out, request.manifest, *_describe(request), partial(planned_bytes, request))


def planned_folder_of(request: Extraction, out: Path) -> CacheFolder:
    """Return the cache of an extraction as `folder_of` would, and write nothing."""
    return plan_cache(out, request.manifest, *_describe(request), partial(planned_bytes, request))


def _describe(request: Extraction) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a cache says of itself, and its identity."""
    spec = request.encoder.spec
    about = {
        "corpus": request.manifest.corpus,
        "synthetic": request.manifest.synthetic,
        "stream": spec.stream,
        "encoder": spec.name,
    }
    return about, identity_of(request)


def identity_of(request: Extraction) -> dict[str, Any]:
    """Return the identity of an extraction's cache."""
    spec = request.encoder.spec
    return spec.identity() | request.recipe.identity(spec.n_layers, spec.stream)


def limits_of(request: Extraction) -> BatchLimits:
    """Return the bounds of the batches of an extraction."""
    device = str(request.encoder.provenance().get("device", "cpu"))
    return BatchLimits.of(device, clips=request.batch_clips, seconds=request.batch_s, frames=request.batch_frames)


def provenance_of(request: Extraction) -> dict[str, Any]:
    """Return versions and device of this run; recorded per shard, never part of the identity."""
    libraries = {name: version(name) for name in ("numpy", "h5py")}
    versions = {"python": platform.python_version(), "ravfeat": __version__} | libraries
    return versions | request.source.provenance() | request.encoder.provenance()
