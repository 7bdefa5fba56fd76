"""The driver of an engine: hand shards out, collect reports, replace workers that die, show one progress bar."""

import logging
from dataclasses import dataclass, field
from time import monotonic

from ravfeat.engines.base import Answer, Counts, Pool
from ravfeat.engines.queue import ShardQueue
from ravfeat.errors import RavfeatError
from ravfeat.extract.report import ShardReport
from ravfeat.extract.work_plan import ShardNumbers, WorkPlan
from ravfeat.progress import ProgressBar

__all__ = ["Driver"]

_log = logging.getLogger(__name__)

_TICK_S = 1.0
_MOST_DEATHS = 3  # of each worker, before any shard is written: then nothing ever will be


@dataclass
class _Worker:
    """What the driver knows of a worker: its order, and what it has done."""

    order: ShardNumbers | None = None
    now: Counts = field(default_factory=Counts)
    clips: int = 0
    media_s: float = 0.0
    failed: int = 0
    began_s: float = field(default_factory=monotonic)
    busy_s: float = 0.0  # with orders


class Driver:
    """Hands out the shards of a plan.

    Parameters
    ----------
    plan : WorkPlan
    pool : Pool

    Attributes
    ----------
    reports : list of ShardReport
        Also of workers that were stopped.
    reasons : dict of (int, int) to str
        Shards that were given up, as cache and number: what became of their last worker.
    """

    def __init__(self, plan: WorkPlan, pool: Pool) -> None:
        self._plan, self._pool = plan, pool
        self._folders = [cache.folder() for cache in plan.caches]
        self._queue = ShardQueue(plan, pool.workers, at_once=pool.handed_out_at_once)
        self._workers = {number: _Worker() for number in range(pool.workers)}
        self._finished_clips = 0
        self._deaths = 0
        self._began_s = monotonic()
        self.reports: list[ShardReport] = []
        self.reasons: dict[tuple[int, int], str] = {}

    def run(self) -> None:
        """Hand out every shard, and wait until all are written or given up.

        Raises
        ------
        RavfeatError
            The first that a worker met and all others would meet too, after all were stopped. The same with a keyboard
            interrupt; `reports` then has what was written.
        """
        with ProgressBar(total=self._n_clips(), desc="encoding", unit="clip", note=self._note, smoothing=0.05) as bar:
            try:
                while self._queue or any(worker.order is not None for worker in self._workers.values()):
                    self._hand_out()
                    for answer in self._pool.answers(_TICK_S):
                        self._take(answer)
                    bar.update(self._done_clips() - bar.count)
            except BaseException:
                self.reports += self._pool.stop()
                raise
        for number, worker in self._workers.items():
            rate = worker.clips / worker.busy_s if worker.busy_s else 0.0
            _log.info("worker %d: %d clips, %.3g clips/s", number, worker.clips, rate)

    def _hand_out(self) -> None:
        idle = [number for number, worker in self._workers.items() if worker.order is None]
        for place, number in enumerate(idle):
            if self._queue:
                worker = self._workers[number]
                worker.order, worker.now = self._queue.take(len(idle) - place), Counts()
                worker.began_s = monotonic()
                self._pool.submit(number, worker.order)

    def _take(self, answer: Answer) -> None:
        worker = self._workers[answer.worker]
        worker.now = answer.counts
        if answer.kind == "counts":
            return
        if answer.report is not None:
            self.reports.append(answer.report)
        order, worker.order = worker.order, None
        worker.clips, worker.media_s = worker.clips + answer.counts.clips, worker.media_s + answer.counts.media_s
        worker.failed, worker.now = worker.failed + answer.counts.failed, Counts()
        worker.busy_s += monotonic() - worker.began_s
        if answer.problem is not None:
            raise answer.problem.error()
        if answer.kind == "done" and order is not None:
            self._finished_clips += self._size(order)
        elif answer.kind == "died" and order is not None:
            self._bury(answer, order)

    def _bury(self, answer: Answer, order: ShardNumbers) -> None:
        self._deaths += 1
        reported = answer.report.caches if answer.report is not None else ()

        def is_done(cache: int, shard: int) -> bool:
            if reported and shard in reported[cache].written:
                return True
            return shard in self._plan.caches[cache].absent and self._folders[cache].holds(shard)

        given_up = len(self._queue.given_up)
        self._queue.died(order, is_done)
        for cache, shard in self._queue.given_up[given_up:]:
            self.reasons[cache, shard] = answer.reason
        _log.warning("worker %d died (%s); its shards are handed out again", answer.worker, answer.reason)
        if not any(
            cache.written for report in self.reports for cache in report.caches
        ) and self._deaths >= _MOST_DEATHS * len(self._workers):
            raise RavfeatError(
                f"{self._deaths} workers died and none has finished a shard: {answer.reason}; try the same command"
                " without --engine, which shows what is wrong"
            )

    def _size(self, numbers: ShardNumbers) -> int:
        """Count the clips of shards; one that several caches need is read once."""
        if len(self._folders) == 1:
            return sum(len(self._folders[0].planned.clips_of(number)) for number in numbers[0])
        pairs = zip(self._folders, numbers, strict=True)
        return len({clip.clip_id for folder, own in pairs for n in own for clip in folder.planned.clips_of(n)})

    def _n_clips(self) -> int:
        return self._size(tuple(cache.to_do for cache in self._plan.caches))

    def _done_clips(self) -> int:
        # A worker also counts clips of neighbours that share its batches.
        under_way = (
            min(worker.now.clips, self._size(worker.order)) for worker in self._workers.values() if worker.order
        )
        return self._finished_clips + sum(under_way)

    def _note(self) -> str:
        workers = self._workers.values()
        media_s = sum(worker.media_s + worker.now.media_s for worker in workers)
        failed = sum(worker.failed + worker.now.failed for worker in workers)
        working = sum(worker.order is not None for worker in workers)
        seconds = monotonic() - self._began_s
        return f"{media_s / seconds:.3g} x real time, {working} of {len(workers)} workers busy, {failed} failed"
