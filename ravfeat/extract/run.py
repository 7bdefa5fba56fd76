"""Main loop of an extraction: decode ahead of the encoders, encode, post-process and write behind them.

Files are decoded in background threads, the encoders run in the foreground, their output is reduced and
written in background threads. Which shards to write is decided once, before the first clip. Encoders that read the
same clips share one pass, so that every file is decoded once.
"""

import logging
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from ravfeat.cache.format import shard_file
from ravfeat.cache.parts import part_header, present_parts
from ravfeat.cache.shard import read_header
from ravfeat.encoders.base import n_devices
from ravfeat.errors import CacheError, ShardError
from ravfeat.extract.decode import Event, read_ahead
from ravfeat.extract.encoder_job import EncoderJob, common_order
from ravfeat.extract.open_caches import open_jobs
from ravfeat.extract.postprocess import PostprocessPool
from ravfeat.extract.progress import ExtractionProgress
from ravfeat.extract.request import Extraction, ExtractResult, read_planned_clip
from ravfeat.extract.shard_writer import ShardWriter
from ravfeat.manifest import Clip

__all__ = ["ExtractResult", "Extraction", "devices_of", "encode_clips", "extract_together", "run_extraction"]

_log = logging.getLogger(__name__)


def run_extraction(request: Extraction, out: Path) -> ExtractResult:
    """Extract the missing shards of one encoder; see `extract_together`."""
    return extract_together([request], out)[0]


def extract_together(requests: Sequence[Extraction], out: Path) -> list[ExtractResult]:
    """Extract the missing shards of several encoders, reading every file once.

    Parameters
    ----------
    requests : sequence of Extraction
        All with the same manifest, root and source.
    out : Path
        Folder of all caches; the features go to ``out/<corpus>/<stream>-<encoder>-<fingerprint>/``.

    Returns
    -------
    list of ExtractResult
        One per extraction.

    Raises
    ------
    CacheError
        Where another process writes the same shards, the disk is full, or the installed library versions
        give other features than those stored.
    UsageError
        Where two extractions are the same.

    Notes
    -----
    However it ends, finished shards are kept and the next call continues from there.
    """
    first = requests[0]
    available = {clip.clip_id: clip for clip in first.manifest}
    with ExitStack() as locks:
        jobs = open_jobs(requests, out, available, locks)
        try:
            _write_shards(jobs, first, available)
        # Also after a keyboard interrupt: what is encoded is kept, and the finished shards get their rows in the index,
        # so that the next run need not check them in full.
        except BaseException as error:
            for job in jobs:
                _keep(job)
                if isinstance(error, KeyboardInterrupt):
                    error.add_note(_kept(job))
            raise
        _update_all(jobs)
        return [_result(job, available) for job in jobs]


def _update_all(jobs: Sequence[EncoderJob]) -> None:
    """Update the index of every cache, also after one could not be written; then raise the first error."""
    errors = []
    for job in jobs:
        try:
            job.folder.update_index(job.lock, job.written)
        except CacheError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def _keep(job: EncoderJob) -> None:
    # The error that stopped the run is the one to report, even if nothing more can be written.
    try:
        job.folder.update_index(job.lock, job.written)
        for number, part in job.next_parts():
            job.folder.write_part(part, number)
    except CacheError as error:
        _log.info("not everything that is encoded could be kept: %s", error)


def _kept(job: EncoderJob) -> str:
    sizes = {number: len(job.folder.planned.clips_of(number)) for number in job.assigned}
    stored = sum(size for number, size in sizes.items() if (job.folder.path / shard_file(number)).is_file())
    parts = [path for number in job.pending for path in present_parts(job.folder.path, number)]
    for path in parts:
        with suppress(ShardError):  # the next run says so; now the interruption is what matters
            stored += len(part_header(path).clips)
    return f"{stored} of {sum(sizes.values())} clips are kept in {job.folder.path}"


def _write_shards(jobs: Sequence[EncoderJob], request: Extraction, available: Mapping[str, Clip]) -> None:
    """Encode every clip for each job that wants it; write every shard as soon as it is complete."""
    order = common_order([job for job in jobs if job.pending])
    with (
        ShardWriter() as writer,
        PostprocessPool(devices_of(jobs)) as postprocess,
        closing(encode_clips(order, jobs, request, available, postprocess)) as events,
        ExtractionProgress(jobs, len(order)) as progress,
    ):
        for event in events:
            _write_completed(jobs, postprocess, writer)
            writer.save_parts(jobs)
            progress.show(event)
        postprocess.collect(wait=True)
        _write_completed(jobs, postprocess, writer)
        # The order matters: the last batches fill the last shards, which are then written.
        writer.collect(wait=True)


def encode_clips(
    clips: Sequence[Clip],
    jobs: Sequence[EncoderJob],
    request: Extraction,
    available: Mapping[str, Clip],
    postprocess: PostprocessPool,
) -> Generator[Event, None, None]:
    """Read clips and encode each for the jobs that want it; yield every event after the jobs have received it."""

    def read(clip: Clip) -> Generator[Event, None, None]:
        return read_planned_clip(request, available, {job.index: job.encoder for job in jobs if job.wants(clip)}, clip)

    with closing(read_ahead(clips, read, _ahead(jobs, request), readers=request.source.readers)) as events:
        for event in events:
            for job in jobs:
                if job.wants(event.clip):
                    job.take(event, postprocess)
            yield event


def devices_of(jobs: Sequence[EncoderJob]) -> int:
    """Return the largest number of devices that one encoder computes on at once."""
    return max(n_devices(job.encoder) for job in jobs)


def _ahead(jobs: Sequence[EncoderJob], request: Extraction) -> int:
    # Two batches: one is decoded while the other is being encoded, on each device. And two clips for every
    # thread: one that waits for its turn, and one to go on with.
    planned = [job.limits.clips for job in jobs if job.encoder.batching != "pieces"]
    return max([2 * request.source.readers, *((1 + devices_of(jobs)) * clips for clips in planned)])


def _write_completed(jobs: Sequence[EncoderJob], postprocess: PostprocessPool, writer: ShardWriter) -> None:
    postprocess.collect(wait=False)
    for job in jobs:
        for builder in job.completed():
            writer.submit(job, builder)
    writer.collect(wait=False)  # a full disk is noticed now, not a shard later


def _result(job: EncoderJob, available: Mapping[str, Clip]) -> ExtractResult:
    restored = sum(len(shard.clips) for number, shard in job.restored.items() if number in job.written)
    headers = [read_header(job.folder.path / shard_file(number)) for number in job.assigned]
    return ExtractResult(
        path=job.folder.path,
        written=len(job.written),
        present=len(job.assigned) - len(job.written),
        # From the index rows, not from a counter: a clip counts when it is on the disk.
        encoded=sum(row["status"] == "stored" for shard in job.written.values() for row in shard.rows) - restored,
        restored=restored,
        failed={clip.clip_id: clip.reason for header in headers for clip in header.failed},
        absent=sum(clip.clip_id not in available for clip in job.folder.planned.manifest),
        frames=job.frames,
        fallback=job.fallback,
        several=job.several,
        busy_s=job.busy_s,
    )
