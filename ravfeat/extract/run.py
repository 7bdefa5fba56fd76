"""Main loop of an extraction: decode ahead of the encoders, encode, post-process and write behind them.

Files are decoded in background threads, the encoders run in the foreground, their output is reduced and
written in background threads. Encoders that read the same clips share one pass, so that every file is decoded once.

Which shards are missing is decided once, by `ravfeat.extract.work_plan.plan_work`; any number of processes then call
`run_shards` for some of them each, and `finish` updates the index once.
"""

import logging
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from ravfeat.cache.locks import WorkLock
from ravfeat.cache.parts import part_header, present_parts
from ravfeat.encoders.base import n_devices
from ravfeat.errors import CacheError, RemoteError, ShardError
from ravfeat.extract.decode import Event, read_ahead
from ravfeat.extract.encoder_job import EncoderJob, common_order
from ravfeat.extract.open_caches import OpenCache, open_jobs
from ravfeat.extract.postprocess import PostprocessPool
from ravfeat.extract.progress import ExtractionProgress
from ravfeat.extract.report import CacheReport, ShardReport, cache_report, merge_reports
from ravfeat.extract.request import Extraction, ExtractResult, read_planned_clip
from ravfeat.extract.shard_writer import ShardWriter
from ravfeat.extract.work_plan import CachePlan, LoadedWork, ShardNumbers, Work, WorkPlan, plan_work
from ravfeat.manifest import Clip

__all__ = [
    "ExtractResult",
    "Extraction",
    "ShardWorker",
    "devices_of",
    "encode_clips",
    "extract_together",
    "finish",
    "kept_clips",
    "run_extraction",
    "run_shards",
]

_log = logging.getLogger(__name__)


class Watch(Protocol):
    """Who is told of every clip, in a ``with`` block."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: BaseException | type[BaseException] | TracebackType | None) -> None: ...

    def show(self, event: Event) -> None:
        """Take notice of a piece or the end of a clip."""
        ...


def run_extraction(request: Extraction, out: Path | str) -> ExtractResult:
    """Extract the missing shards of one encoder; see `extract_together`."""
    return extract_together([request], out)[0]


def extract_together(requests: Sequence[Extraction], out: Path | str) -> list[ExtractResult]:
    """Extract the missing shards of several encoders, reading every file once.

    Parameters
    ----------
    requests : sequence of Extraction
        All with the same manifest, root and source.
    out : Path or str
        Folder of all caches, or an address such as ``s3://…``; the features go to
        ``out/<corpus>/<stream>-<encoder>-<fingerprint>/``.

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
    work = LoadedWork(requests)
    with closing(plan_work(work, out)) as plan:
        numbers = tuple(
            tuple(request.assigned(cache.numbers)) for request, cache in zip(requests, plan.caches, strict=True)
        )
        worker = ShardWorker(work, plan)
        try:
            report = worker.run(numbers)
        # Also after a keyboard interrupt: the finished shards get their rows in the index, so that the next run need
        # not check them in full.
        except BaseException as error:
            if worker.began:
                # The error that stopped the run is the one to report, even if nothing more can be written.
                with suppress(CacheError, RemoteError):
                    finish(plan, [worker.report()], numbers)
            if isinstance(error, KeyboardInterrupt):
                for cache, shards in zip(plan.caches, numbers, strict=True):
                    error.add_note(kept_clips(cache, shards))
            raise
        return finish(plan, [report], numbers)


def run_shards(work: Work, numbers: ShardNumbers, plan: WorkPlan) -> ShardReport:
    """Write those of some shards that are still missing; see `ShardWorker`, which does so more than once."""
    return ShardWorker(work, plan).run(numbers)


def finish(plan: WorkPlan, reports: Sequence[ShardReport], numbers: ShardNumbers | None = None) -> list[ExtractResult]:
    """Update the index of every cache, once, after shards were written.

    Parameters
    ----------
    plan : WorkPlan
    reports : sequence of ShardReport
        Of all processes. A shard that no report tells of is read and checked in full.
    numbers : tuple of tuple of int, optional
        The shards of each cache that the results are about; default all.

    Raises
    ------
    CacheError
        Where an index cannot be written; after all others were.
    """
    errors, results = [], []
    for place, cache in enumerate(plan.caches):
        own = [report.caches[place] for report in reports]
        folder = cache.folder()
        try:
            with WorkLock(folder.path) as lock:
                folder.update_index(lock, {number: shard for report in own for number, shard in report.written.items()})
        except CacheError as error:
            errors.append(error)
        results.append(merge_reports(cache, own, cache.numbers if numbers is None else numbers[place]))
    if errors:
        raise errors[0]
    return results


class ShardWorker:
    """One process's part of an extraction: its encoders are loaded once, and write whichever shards they are given.

    Parameters
    ----------
    work : Work
    plan : WorkPlan
    progress : callable, optional
        Makes what is told of every clip, from the jobs and the number of clips to read; by default the bar.
    """

    def __init__(
        self,
        work: Work,
        plan: WorkPlan,
        progress: Callable[[Sequence[EncoderJob], int], Watch] = ExtractionProgress,
    ) -> None:
        self._plan = plan.opened()
        self._requests = work.load(self._plan)
        self._folders = [cache.folder() for cache in self._plan.caches]
        self._available = _available(self._requests)
        self._progress = progress
        self._compared: set[int] = set()
        self._jobs: list[EncoderJob] = []

    def run(self, numbers: ShardNumbers) -> ShardReport:
        """Write those of some shards that are still missing, and those that gain a clip that had failed.

        Neither the headers of other shards are read nor the index touched. Shards that are there are left alone, so
        that a call may be repeated; each is written completely or not at all.

        Raises
        ------
        CacheError
            Where another process writes one of the shards, the disk is full, or the installed library versions give
            other features than those stored. What is encoded of unfinished shards is kept beside them, also after a
            keyboard interrupt.
        """
        self._jobs = []
        with ExitStack() as locks:
            for folder, shards in zip(self._folders, numbers, strict=True):
                lock = locks.enter_context(WorkLock(folder.path))
                # Claim before looking: a shard that another process is just writing must not be counted as missing.
                lock.claim(shards)
                folder.remove_leftovers(shards)
            self._jobs = open_jobs(self._open(numbers), self._available)
            self._compared |= {job.index for job in self._jobs if job.pending}
            try:
                _write_shards(self._jobs, self._requests, self._available, self._progress)
            except BaseException:
                _keep_parts(self._jobs)
                raise
        return self.report()

    def close(self) -> None:
        """Remove temporary folders of caches at an object store."""
        self._plan.close()

    @property
    def began(self) -> bool:
        """Whether the last call of `run` came so far that it may have written something."""
        return bool(self._jobs)

    def report(self) -> ShardReport:
        """Report what the last call of `run` has written, also where it was stopped."""
        if not self.began:
            return ShardReport(tuple(CacheReport() for _ in self._plan.caches))
        return ShardReport(tuple(cache_report(job, self._plan.caches[job.index]) for job in self._jobs))

    def _open(self, numbers: ShardNumbers) -> list[OpenCache]:
        return [
            OpenCache(
                request, folder, shards, {n: list(plan.failed[n]) for n in shards if n in plan.failed},
                () if index in self._compared else plan.origins,
            )
            for index, (request, folder, shards, plan) in enumerate(
                zip(self._requests, self._folders, numbers, self._plan.caches, strict=True)
            )
        ]  # fmt: skip


def _available(requests: Sequence[Extraction]) -> Mapping[str, Clip]:
    """Return the given clips of all extractions by id."""
    # From the caches' manifests the clips may be different ones.
    manifests = list({id(request.manifest): request.manifest for request in requests}.values())
    if len(manifests) == 1:
        return manifests[0].by_id()
    return {clip_id: clip for manifest in manifests for clip_id, clip in manifest.by_id().items()}


def _keep_parts(jobs: Sequence[EncoderJob]) -> None:
    # The error that stopped the run is the one to report, even if nothing more can be written.
    try:
        for job in jobs:
            for number, part in job.next_parts():
                job.folder.write_part(part, number)
    except CacheError as error:
        _log.info("not everything that is encoded could be kept: %s", error)


def kept_clips(plan: CachePlan, shards: Sequence[int]) -> str:
    """Say how many clips of some shards are kept, in finished shards and in parts."""
    folder = plan.folder()
    sizes = {number: folder.planned.count(number) for number in shards}
    present = folder.present(shards)
    stored = sum(sizes[number] for number in present)
    for path in (path for number in shards if number not in present for path in present_parts(folder.path, number)):
        with suppress(ShardError):  # the next run says so; now the interruption is what matters
            stored += len(part_header(path).clips)
    return f"{stored} of {sum(sizes.values())} clips are kept in {plan.place}"


def _write_shards(
    jobs: Sequence[EncoderJob],
    requests: Sequence[Extraction],
    available: Mapping[str, Clip],
    progress: Callable[[Sequence[EncoderJob], int], Watch],
) -> None:
    """Encode every clip for each job that wants it; write every shard as soon as it is complete."""
    order = common_order([job for job in jobs if job.pending])
    with (
        ShardWriter() as writer,
        PostprocessPool(devices_of(jobs)) as postprocess,
        closing(encode_clips(order, jobs, requests, available, postprocess)) as events,
        progress(jobs, len(order)) as watch,
    ):
        for event in events:
            _write_completed(jobs, postprocess, writer)
            writer.save_parts(jobs)
            watch.show(event)
        postprocess.collect(wait=True)
        _write_completed(jobs, postprocess, writer)
        # The order matters: the last batches fill the last shards, which are then written.
        writer.collect(wait=True)


def encode_clips(
    clips: Sequence[Clip],
    jobs: Sequence[EncoderJob],
    requests: Sequence[Extraction],
    available: Mapping[str, Clip],
    postprocess: PostprocessPool,
) -> Generator[Event, None, None]:
    """Read clips and encode each for the jobs that want it; yield every event after the jobs have received it."""

    def read(clip: Clip) -> Generator[Event, None, None]:
        return read_planned_clip(requests, available, {job.index: job.encoder for job in jobs if job.wants(clip)}, clip)

    readers = requests[0].source.readers
    with closing(read_ahead(clips, read, _ahead(jobs, readers), readers=readers)) as events:
        for event in events:
            for job in jobs:
                if job.wants(event.clip):
                    job.take(event, postprocess)
            yield event


def devices_of(jobs: Sequence[EncoderJob]) -> int:
    """Return the largest number of devices that one encoder computes on at once."""
    return max(n_devices(job.encoder) for job in jobs)


def _ahead(jobs: Sequence[EncoderJob], readers: int) -> int:
    # Two batches: one is decoded while the other is being encoded, on each device. And two clips for every
    # thread: one that waits for its turn, and one to go on with.
    planned = [job.limits.clips for job in jobs if job.encoder.batching != "pieces"]
    return max([2 * readers, *((1 + devices_of(jobs)) * clips for clips in planned)])


def _write_completed(jobs: Sequence[EncoderJob], postprocess: PostprocessPool, writer: ShardWriter) -> None:
    postprocess.collect(wait=False)
    for job in jobs:
        for builder in job.completed():
            writer.submit(job, builder)
    writer.collect(wait=False)  # a full disk is noticed now, not a shard later
