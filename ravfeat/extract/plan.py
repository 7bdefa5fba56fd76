"""Plan an extraction without writing anything: clips, shards, bytes, device memory, time.

What is divided among processes is another plan, without estimates: `ravfeat.extract.work_plan`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ravfeat.cache.parts import part_header, present_parts
from ravfeat.cache.writer import CacheFolder, check_recordings
from ravfeat.errors import ShardError
from ravfeat.extract.batch_plan import BatchLimits
from ravfeat.extract.open_caches import limits_of, planned_folder_of, provenance_of
from ravfeat.extract.request import Extraction
from ravfeat.extract.resume import Worklist, find_work
from ravfeat.extract.sample import Sample, measure_batch, measure_speed
from ravfeat.extract.size import ASSUMED_S, MissingBytes, free_bytes, missing_bytes
from ravfeat.manifest import Clip
from ravfeat.schema import Stream
from ravfeat.short_repr import short_repr

__all__ = ["EncoderPlan", "ExtractionPlan", "PassPlan", "plan_extraction"]


@short_repr
@dataclass(frozen=True)
class EncoderPlan:
    """What one encoder has to do.

    Attributes
    ----------
    path : Path
        Folder of the cache; it may not exist yet.
    n_new, n_stored, n_failed : int
        Clips of this process's shards: in shards that are still to be written; stored; failed before, which are tried
        again.
    n_kept : int
        Clips of the shards to write that an interrupted run has encoded; they are among the new ones.
    n_unknown : int
        New clips of unknown length, which are counted as `ravfeat.extract.size.ASSUMED_S` seconds.
    media_s : float
        Length of the new clips that are still to be encoded.
    shards : tuple of int
        Numbers of the shards that this process has to write.
    n_present : int
        Shards of this process that are there.
    missing : MissingBytes
        Expected size of the shards to write.
    device : str
    batching : str
        See `ravfeat.encoders.base.Batching`; ``pieces`` are batches of pictures.
    limits : BatchLimits
    batch_bytes : int, optional
        Memory of the CUDA device while the largest batch is encoded, with the weights of all loaded encoders; None
        where it was not measured.
    batch_fits : bool
        False where the device has too little memory for the largest batch.
    """

    path: Path
    n_new: int
    n_stored: int
    n_failed: int
    n_kept: int
    n_unknown: int
    media_s: float
    shards: tuple[int, ...]
    n_present: int
    missing: MissingBytes
    device: str
    batching: str
    limits: BatchLimits
    batch_bytes: int | None
    batch_fits: bool


@short_repr
@dataclass(frozen=True)
class PassPlan:
    """Encoders of one stream, which read every clip once.

    Attributes
    ----------
    stream : {"audio", "face"}
    encoders : tuple of EncoderPlan
    media_s : float
        Length of the clips that some encoder needs.
    frame_rate_hz : float
        Pictures per second of a face stream, as measured, else as assumed.
    sample : Sample or None
        Clips that were encoded to measure the speed; None where nothing was measured.
    """

    stream: Stream
    encoders: tuple[EncoderPlan, ...]
    media_s: float
    frame_rate_hz: float
    sample: Sample | None

    @property
    def seconds(self) -> float | None:
        """Estimated duration; None where it was not measured."""
        if not self.media_s:
            return 0.0
        return self.sample.seconds * self.media_s / self.sample.media_s if self.sample else None


@short_repr
@dataclass(frozen=True)
class ExtractionPlan:
    """Plan of an extraction.

    Attributes
    ----------
    out : Path
        Folder of all caches.
    passes : tuple of PassPlan
    missing : MissingBytes
        Expected size of all missing shards, also of those that other processes write; at the measured rate of pictures.
    free_bytes : int or None
        Free on the disk of ``out``; None where the system does not know.
    """

    out: Path
    passes: tuple[PassPlan, ...]
    missing: MissingBytes
    free_bytes: int | None


def plan_extraction(work: Sequence[Sequence[Extraction]], out: Path, *, measure_s: float = 10.0) -> ExtractionPlan:
    """Plan extractions, and write nothing at ``out``.

    Parameters
    ----------
    work : sequence of sequence of Extraction
        By pass: those of one sequence read the same clips once, see `ravfeat.extract.extract_together`.
    out : Path
        Folder of all caches.
    measure_s : float
        About how many seconds each pass may encode clips to measure its speed and the memory of a batch; with 0 nothing
        is encoded.

    Raises
    ------
    CacheError, CorpusError
        Where the extraction would be refused because of what the caches hold.
    """
    with_folders = [[(request, planned_folder_of(request, out)) for request in requests] for requests in work]
    passes = [_plan_pass(pass_work, measure_s) for pass_work in with_folders]
    missing = MissingBytes()
    for planned, pass_work in zip(passes, with_folders, strict=True):
        for request, cache in pass_work:
            missing += _missing(request, cache, cache.planned.numbers, planned.frame_rate_hz)
    return ExtractionPlan(out, tuple(passes), missing, free_bytes(out))


def _plan_pass(work: Sequence[tuple[Extraction, CacheFolder]], measure_s: float) -> PassPlan:
    worklists = [_worklist(request, cache) for request, cache in work]
    available = work[0][0].manifest.by_id()
    new: dict[str, Clip] = {}
    for (request, cache), worklist in zip(work, worklists, strict=True):
        kept = _kept(request, cache, worklist.absent)
        new |= {clip.clip_id: clip for clip in _clips_of(cache, worklist.absent) if clip.clip_id not in kept}
    spec = work[0][0].encoder.spec
    sample = None
    if measure_s and new:
        busy = [encoder_work for encoder_work, worklist in zip(work, worklists, strict=True) if worklist.absent]
        sample = measure_speed(busy, [available[clip_id] for clip_id in sorted(new) if clip_id in available], measure_s)
    rate_hz = sample.n_frames / sample.media_s if sample else spec.frame_rate_hz
    encoders = [
        _plan_encoder(request, cache, worklist, rate_hz, measure=bool(measure_s))
        for (request, cache), worklist in zip(work, worklists, strict=True)
    ]
    return PassPlan(spec.stream, tuple(encoders), sum(map(_length_s, new.values())), rate_hz, sample)


def _worklist(request: Extraction, cache: CacheFolder) -> Worklist:
    check_recordings(cache, request.manifest)
    return find_work(cache, request.assigned(cache.planned.numbers))


def _missing(request: Extraction, cache: CacheFolder, shards: Sequence[int], rate_hz: float) -> MissingBytes:
    missing = missing_bytes(request, cache, shards)
    spec = request.encoder.spec
    # Shards are planned for a nominal rate of pictures; audio encoders state their rate exactly.
    frames_of_faces = spec.stream == "face" and request.recipe.store == "frames"
    return missing.scaled(rate_hz / spec.frame_rate_hz) if frames_of_faces else missing


def _plan_encoder(
    request: Extraction, cache: CacheFolder, worklist: Worklist, rate_hz: float, *, measure: bool
) -> EncoderPlan:
    new, kept = _clips_of(cache, worklist.absent), _kept(request, cache, worklist.absent)
    batch = measure_batch(request, cache, worklist.absent) if measure else None
    present = [number for number in worklist.assigned if number in worklist.stored]
    return EncoderPlan(
        path=cache.path,
        n_new=len(new),
        n_stored=sum(worklist.stored[number] for number in present),
        n_failed=len(worklist.failed),
        n_kept=len(kept),
        n_unknown=sum(math.isnan(clip.duration_s) for clip in new),
        media_s=sum(_length_s(clip) for clip in new if clip.clip_id not in kept),
        shards=worklist.absent,
        n_present=len(present),
        missing=_missing(request, cache, worklist.absent, rate_hz),
        device=str(provenance_of(request).get("device", "cpu")),
        batching=request.encoder.batching,
        limits=limits_of(request),
        batch_bytes=batch if isinstance(batch, int) else None,
        batch_fits=not isinstance(batch, MemoryError),
    )


def _kept(request: Extraction, cache: CacheFolder, shards: Sequence[int]) -> set[str]:
    """Return the clips that an interrupted run has encoded of unfinished shards, and that this run can take over."""
    clips: set[str] = set()
    for path in (path for number in shards for path in present_parts(cache.path, number)):
        try:
            header = part_header(path)
        except ShardError:  # a run deletes it and encodes its clips again
            continue
        if header.provenance == provenance_of(request):
            clips |= {clip.clip_id for clip in header.clips}
    return clips


def _clips_of(cache: CacheFolder, shards: Sequence[int]) -> list[Clip]:
    return [clip for number in shards for clip in cache.planned.clips_of(number)]


def _length_s(clip: Clip) -> float:
    return ASSUMED_S if math.isnan(clip.duration_s) else clip.duration_s
