"""The worker's side of an engine: write the shards of one order, tell how far it is, never raise what is foreseen."""

import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from types import TracebackType
from typing import Self

from ravfeat.engines.base import Answer, Counts, Problem
from ravfeat.errors import RavfeatError
from ravfeat.extract.decode import ClipEnd, Event
from ravfeat.extract.encoder_job import EncoderJob
from ravfeat.extract.report import ShardReport
from ravfeat.extract.run import ShardWorker
from ravfeat.extract.work_plan import ShardNumbers, Work, WorkPlan

__all__ = ["EngineWorker", "interruptible"]

_EVERY_S = 0.5  # between two counts


class EngineWorker:
    """A `ravfeat.extract.run.ShardWorker` whose errors are answers.

    Parameters
    ----------
    number : int
        Of the worker.
    work : Work
    plan : WorkPlan
    tell : callable, optional
        Called with an answer of kind ``counts`` from time to time.
    """

    def __init__(
        self, number: int, work: Work, plan: WorkPlan, tell: Callable[[Answer], object] = lambda _: None
    ) -> None:
        self._number, self._work, self._plan, self._tell = number, work, plan, tell
        self._worker: ShardWorker | None = None
        self._under_way = False
        self.counts = Counts()
        self.stopping = threading.Event()

    def run(self, numbers: ShardNumbers) -> Answer:
        """Write some shards.

        Returns
        -------
        Answer
            ``done``; ``refused`` for an error that all workers would meet; ``died`` for any other and where it was
            stopped, after which the process is not to be used again.
        """
        self.counts, self._under_way = Counts(), True
        try:
            answer = self._run(numbers)
        except KeyboardInterrupt:
            if not self.stopping.is_set():
                raise
            return self.stopped()
        self._under_way = False  # not after an interrupt
        return answer

    def _run(self, numbers: ShardNumbers) -> Answer:
        try:
            if self._worker is None:  # here, so that an encoder that cannot be loaded is an answer too
                self._worker = ShardWorker(self._work, self._plan, self._watch)
            report = self._worker.run(numbers)
        except RavfeatError as error:
            return Answer(self._number, "refused", self.counts, self._written(), Problem.of(error))
        except Exception as error:  # noqa: BLE001 (whatever a library raises: another process may do better)
            last = traceback.extract_tb(error.__traceback__)[-1]
            reason = f"{type(error).__name__}: {str(error)[:300]} ({last.filename}:{last.lineno})"
            return Answer(self._number, "died", self.counts, self._written(), reason=reason)
        return Answer(self._number, "done", self.counts, report)

    def stopped(self) -> Answer:
        """Return what to answer after an interrupt: the shards are not all written, whoever sent it."""
        report = self._written() if self._under_way else None
        return Answer(self._number, "died", self.counts, report, reason="it was interrupted")

    def close(self) -> None:
        """Remove what the worker has in temporary folders."""
        if self._worker is not None:
            self._worker.close()

    def _written(self) -> ShardReport | None:
        return self._worker.report() if self._worker is not None else None

    def _watch(self, jobs: Sequence[EncoderJob], n_clips: int) -> "_Watch":
        return _Watch(self, jobs)

    def told(self, counts: Counts) -> None:
        """Pass counts on."""
        self.counts = counts
        self._tell(Answer(self._number, "counts", counts))


@contextmanager
def interruptible() -> Iterator[None]:
    """Context in which the first SIGINT or SIGTERM is a KeyboardInterrupt, and those after it, to its end, nothing."""

    # A terminal sends Ctrl-C to driver and workers, and the driver passes it on: the second must not interrupt what
    # the first one set off, keeping what is encoded.
    def interrupt(*_: object) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, interrupt) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


class _Watch:
    """Counts clips; see `ravfeat.extract.run.Watch`."""

    def __init__(self, worker: EngineWorker, jobs: Sequence[EncoderJob]) -> None:
        self._worker, self._jobs = worker, jobs
        self._clips, self._media_s, self._told_at = 0, 0.0, monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: BaseException | type[BaseException] | TracebackType | None) -> None:
        self._tell()

    def show(self, event: Event) -> None:
        """Count the end of a clip."""
        if self._worker.stopping.is_set():
            raise KeyboardInterrupt
        if isinstance(event, ClipEnd):
            self._clips += 1
            if event.recording is not None:
                self._media_s += event.recording.n_samples / event.recording.rate_hz
        if monotonic() - self._told_at > _EVERY_S:
            self._tell()

    def _tell(self) -> None:
        self._told_at = monotonic()
        failed = sum(job.n_failed for job in self._jobs)
        self._worker.told(Counts(self._clips, failed, self._media_s, sum(job.busy_s for job in self._jobs)))
