"""Disk space of an extraction: expected size of clips and shards, and a check before the first clip is read."""

import math
import shutil
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ravfeat.cache.index import present_shards
from ravfeat.cache.writer import CacheFolder
from ravfeat.errors import CacheError
from ravfeat.extract.request import Extraction
from ravfeat.manifest import Clip
from ravfeat.resources import format_size

__all__ = [
    "ASSUMED_S",
    "POOLED_ABOVE",
    "MissingBytes",
    "advise_pooled",
    "check_disk",
    "free_bytes",
    "missing_bytes",
    "planned_bytes",
]

ASSUMED_S = 30.0
"""Planned length of a clip of unknown length."""

POOLED_ABOVE = 10**12
"""Bytes of frames from which on pooled statistics are advised."""

_RECORD_BYTES = 1024  # planned metadata per clip; more than it ever takes
_DIGEST_BYTES = 64  # of every layer of a clip
_SHARD_BYTES = 4096  # HDF5's own tables
_FACE_BYTES = 28  # box, confidence and counts of every stored picture, float32


def planned_bytes(request: Extraction, clip: Clip) -> int:
    """Return the size of a clip from which shards are planned. It must never change: old caches are planned by it."""
    spec, recipe = request.encoder.spec, request.recipe
    duration_s = ASSUMED_S if math.isnan(clip.duration_s) else clip.duration_s
    n_frames = int(duration_s * spec.frame_rate_hz) + 1
    shape = recipe.stored_shape(n_frames, spec.n_layers, spec.dim, spec.stream)
    return math.prod(shape) * (2 if recipe.dtype == "float16" else 4) + 8 * shape[1] + _RECORD_BYTES


@dataclass(frozen=True)
class MissingBytes:
    """Expected size of shards that are still to be written.

    Attributes
    ----------
    known, assumed : int
        Bytes of clips of known length, and of clips that are assumed to last `ASSUMED_S`.
    largest_shard : int
    n_unknown : int
        Clips of unknown length.
    """

    known: int = 0
    assumed: int = 0
    largest_shard: int = 0
    n_unknown: int = 0

    @property
    def total(self) -> int:
        """Bytes of all clips."""
        return self.known + self.assumed

    def scaled(self, factor: float) -> "MissingBytes":
        """Return the sizes at another rate of frames."""
        known, assumed, largest = (round(factor * size) for size in (self.known, self.assumed, self.largest_shard))
        return MissingBytes(known, assumed, largest, self.n_unknown)

    def __add__(self, other: "MissingBytes") -> "MissingBytes":
        return MissingBytes(
            self.known + other.known,
            self.assumed + other.assumed,
            max(self.largest_shard, other.largest_shard),
            self.n_unknown + other.n_unknown,
        )


def missing_bytes(request: Extraction, folder: CacheFolder, shards: Iterable[int]) -> MissingBytes:
    """Add up the expected size of those of some shards that are not on the disk."""
    missing, present = MissingBytes(), present_shards(folder.path)
    for number in shards:
        if number not in present:
            missing += _shard_bytes(request, folder.planned.clips_of(number))
    return missing


def _shard_bytes(request: Extraction, clips: Sequence[Clip]) -> MissingBytes:
    sizes = [_stored_bytes(request, clip) for clip in clips]
    assumed = [size for clip, size in zip(clips, sizes, strict=True) if math.isnan(clip.duration_s)]
    known = sum(sizes) - sum(assumed) + _SHARD_BYTES
    return MissingBytes(known, sum(assumed), sum(sizes) + _SHARD_BYTES, len(assumed))


def _stored_bytes(request: Extraction, clip: Clip) -> int:
    spec, recipe = request.encoder.spec, request.recipe
    if request.view is not None and request.view.factor is not None:  # slower is longer
        clip = replace(clip, duration_s=clip.duration_s / request.view.factor)
    n_bytes = planned_bytes(request, clip) + _DIGEST_BYTES * len(recipe.layers or range(spec.n_layers))
    if spec.stream != "face" or recipe.store == "pooled":
        return n_bytes
    duration_s = ASSUMED_S if math.isnan(clip.duration_s) else clip.duration_s
    n_pictures = int(duration_s * spec.frame_rate_hz) + 1
    return n_bytes + _FACE_BYTES * -(-n_pictures // recipe.frame_stride)


def advise_pooled(request: Extraction, missing: MissingBytes, n_clips: int) -> str:
    """Say what pooled statistics of the clips would take where their frames take a terabyte; empty where less."""
    if request.recipe.store == "pooled" or missing.total <= POOLED_ABOVE:
        return ""
    spec, recipe = request.encoder.spec, replace(request.recipe, store="pooled", frame_stride=1)
    shape = recipe.stored_shape(1, spec.n_layers, spec.dim, spec.stream)
    pooled = n_clips * (math.prod(shape) * (2 if recipe.dtype == "float16" else 4) + _RECORD_BYTES)
    return (
        f"the frames of '{spec.name}' take {format_size(missing.total)} for {n_clips} clips; with --store pooled their"
        f" statistics would take {format_size(pooled)}, which is all that the heads logreg and kernel read"
    )


def free_bytes(out: Path) -> int | None:
    """Return the bytes that may be written at a path, which need not exist; None where the system does not know.

    Raises
    ------
    CacheError
        Where a file is in the way.
    """
    existing = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise CacheError(f"{existing} is a file and can hold no caches; choose another --out")
    try:
        usage = shutil.disk_usage(existing)
    except OSError:
        return None
    # Some network and virtual file systems report a size of 0.
    return usage.free if usage.total else None


def check_disk(missing: MissingBytes, out: Path, *, advice: str = "make room, or choose another --out") -> None:
    """Refuse to start where the disk cannot hold what is missing.

    Only clips of known length are held against the disk; where it could be too small because of assumed lengths,
    that is a warning. A quota, which the system does not report as free space, is noticed when it is reached.

    Raises
    ------
    CacheError
        Where the disk is too small.
    """
    # While a shard is written, it is on the disk twice: under a temporary name beside what it replaces.
    free, margin = free_bytes(out), missing.largest_shard
    if free is None or not missing.total or missing.total + margin <= free:
        return
    needs = f"{format_size(missing.total + margin)} are needed at {out} and {format_size(free)} are free there"
    if missing.n_unknown:
        needs += f" ({missing.n_unknown} clips of unknown length are counted as {ASSUMED_S:g} s each)"
    if missing.n_unknown and missing.known + margin <= free:
        warnings.warn(f"the disk may be too small: {needs}", stacklevel=2)
        return
    raise CacheError(f"the disk is too small: {needs}; {advice}. Nothing was written")
