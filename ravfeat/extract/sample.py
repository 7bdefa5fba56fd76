"""Measure an extraction on a few clips, and write nothing: seconds of work, memory of the largest batch."""

import math
from collections import Counter
from collections.abc import Collection, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter

from ravfeat.cache.manifest import PlannedManifest
from ravfeat.cache.writer import CacheFolder, plan_shards
from ravfeat.encoders.base import EncoderInput, start_encoding
from ravfeat.extract.batch_plan import plan_shards_batches
from ravfeat.extract.decode import ClipEnd, PreparedPiece
from ravfeat.extract.encoder_job import EncoderJob, common_order
from ravfeat.extract.open_caches import limits_of, provenance_of
from ravfeat.extract.postprocess import PostprocessPool
from ravfeat.extract.request import Extraction, read_planned_clip
from ravfeat.extract.run import encode_clips
from ravfeat.extract.size import planned_bytes
from ravfeat.manifest import Clip
from ravfeat.resources import attempt, peak_device_memory

__all__ = ["Sample", "measure_batch", "measure_speed"]

_GROWTH = 8  # how many times as many clips the next try may take
_ENOUGH = 0.25  # of the time allowed: a try that took as long is exact enough


@dataclass(frozen=True)
class Sample:
    """Clips that were read and encoded to measure the speed.

    Attributes
    ----------
    n_clips, n_frames : int
        Clips that could be encoded; frames (pictures) that the first encoder got of them.
    media_s : float
        Their length.
    seconds : float
        How long it took, on a warm device.
    """

    n_clips: int
    n_frames: int
    media_s: float
    seconds: float


def measure_speed(
    work: Sequence[tuple[Extraction, CacheFolder]], clips: Sequence[Clip], limit_s: float
) -> Sample | None:
    """Read and encode a few clips as an extraction would, for all its encoders, and drop the features.

    Parameters
    ----------
    work : sequence of (Extraction, CacheFolder)
        Of one pass: all read the same clips.
    clips : sequence of Clip
        As the given data have them; some are taken, evenly spread.
    limit_s : float
        About how long this may take, in seconds; at least one clip is encoded.

    Returns
    -------
    Sample or None
        None where no clip could be encoded.
    """
    if not clips:
        return None
    _encode(work, clips[:1])  # warms the device up, and is not counted
    spent_s, n_clips = 0.0, 1
    while True:
        sample = _encode(work, [clips[place * len(clips) // n_clips] for place in range(n_clips)])
        spent_s += sample.seconds
        growth = min(_GROWTH, int(0.8 * (limit_s - spent_s) / sample.seconds))
        if n_clips == len(clips) or growth < 2 or sample.seconds > _ENOUGH * limit_s:
            return sample if sample.media_s else None
        n_clips = min(len(clips), growth * n_clips)


def _encode(work: Sequence[tuple[Extraction, CacheFolder]], clips: Sequence[Clip]) -> Sample:
    requests = [request for request, _ in work]
    jobs = [_sample_job(index, *encoder_work, clips) for index, encoder_work in enumerate(work)]
    order, available = common_order(jobs), {clip.clip_id: clip for clip in clips}
    n_frames, media_s = Counter[str](), dict[str, float]()
    started = perf_counter()
    with (
        PostprocessPool() as postprocess,
        closing(encode_clips(order, jobs, requests, available, postprocess)) as events,
    ):
        for event in events:
            if isinstance(event, PreparedPiece):
                n_frames[event.clip.clip_id] += next((piece.n_frames for piece in event.prepared.values()), 0)
            elif event.recording is not None:
                media_s[event.clip.clip_id] = event.recording.n_samples / event.recording.rate_hz
            postprocess.collect(wait=False)
            _drop_completed(jobs, media_s)
        postprocess.collect(wait=True)
        _drop_completed(jobs, media_s)
    seconds = perf_counter() - started
    return Sample(len(media_s), sum(n_frames[clip_id] for clip_id in media_s), sum(media_s.values()), seconds)


def _drop_completed(jobs: Sequence[EncoderJob], media_s: dict[str, float]) -> None:
    """Forget the features of finished shards, so that the memory stays that of one; do not count failed clips."""
    for job in jobs:
        for builder in job.completed():
            for clip in filter(builder.has_failed, builder.clips):
                media_s.pop(clip.clip_id, None)


def _sample_job(index: int, request: Extraction, folder: CacheFolder, clips: Sequence[Clip]) -> EncoderJob:
    """Make a job whose cache consists of some clips; it encodes, and nobody writes its shards."""
    numbers = plan_shards(clips, partial(planned_bytes, request))
    shards = dict(zip((clip.clip_id for clip in clips), numbers, strict=True))
    planned = PlannedManifest(folder.planned.manifest.with_clips(clips), shards)
    return EncoderJob(
        index, request.encoder, request.recipe, replace(folder, planned=planned), {}, planned.numbers, planned.numbers,
        limits_of(request),
    )  # fmt: skip


def measure_batch(request: Extraction, folder: CacheFolder, shards: Collection[int]) -> int | MemoryError | None:
    """Encode the largest batch of some shards on its CUDA device, and measure the device memory.

    Parameters
    ----------
    request : Extraction
    folder : CacheFolder
    shards : collection of int
        The shards that are to be written.

    Returns
    -------
    int, MemoryError or None
        Bytes, with the weights of all encoders on the device; an error, not raised, where the batch does not fit;
        None where torch does not compute on a CUDA device or no clip can be read.
    """
    provenance = provenance_of(request)
    device = str(provenance.get("device", "cpu")).partition(",")[0]
    if not device.startswith("cuda") or "torch" not in provenance:
        return None
    batch = _read_largest(request, folder, shards)
    if not batch:
        return None
    return attempt(lambda: peak_device_memory(device, lambda: start_encoding(request.encoder, batch).states()))


def _read_largest(request: Extraction, folder: CacheFolder, shards: Collection[int]) -> list[EncoderInput]:
    limits = limits_of(request)
    numbers = folder.planned.numbers if limits.across_shards else sorted(shards)
    plan = plan_shards_batches(
        [folder.planned.clips_of(number) for number in numbers], request.encoder.batching, limits
    )
    batches = [
        batch
        for batches in plan
        for batch in batches
        if any(folder.planned.shards[clip.clip_id] in shards for clip in batch)
    ]
    if request.encoder.batching == "pieces":
        pieces = (piece for batch in batches for piece in _read(request, batch[0]))
        prepared: list[EncoderInput] = []
        while sum(piece.n_frames for piece in prepared) < limits.frames and (piece := next(pieces, None)) is not None:
            prepared.append(piece)
        return prepared
    largest = max(batches, key=lambda batch: len(batch) * max(map(_known_s, batch)), default=[])
    return [piece for clip in largest for piece in _read(request, clip)]


def _known_s(clip: Clip) -> float:
    return 0.0 if math.isnan(clip.duration_s) else clip.duration_s


def _read(request: Extraction, clip: Clip) -> Generator[EncoderInput, None, None]:
    with closing(read_planned_clip([request], request.manifest.by_id(), {0: request.encoder}, clip)) as events:
        for event in events:
            if not isinstance(event, ClipEnd):
                yield from event.prepared.values()
