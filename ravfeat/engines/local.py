"""Extract with several processes of this machine, each on GPUs of its own or on its share of the processors."""

import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Self

from ravfeat.encoders.cuda import split_devices
from ravfeat.engines.base import USUAL_WORKERS, Answer, EngineOptions
from ravfeat.errors import MissingExtraError, UsageError
from ravfeat.extract.named_work import NamedWork
from ravfeat.extract.report import ShardReport
from ravfeat.extract.work_plan import ShardNumbers, WorkPlan

__all__ = ["LocalPool", "local_devices"]

_GRACE_S = 30.0
"""Seconds that workers have to keep what is encoded, when they are stopped."""

_ORPHAN_GRACE_S = 10.0


class LocalPool:
    """Processes of this machine; see `ravfeat.engines.base.Pool`.

    Parameters
    ----------
    works : sequence of NamedWork
        The same work on the device of each worker.
    plan : WorkPlan
    """

    handed_out_at_once = False

    def __init__(self, works: Sequence[NamedWork], plan: WorkPlan) -> None:
        self.workers = len(works)
        self._tasks = [pickle.dumps((work.to_send(), plan.to_send())) for work in works]
        self._shares = _shares(self.workers)
        self._running: dict[int, tuple[SpawnProcess, Connection]] = {}

    def submit(self, worker: int, numbers: ShardNumbers) -> None:
        """Give shards to a worker, and start its process where there is none."""
        is_new = worker not in self._running
        if is_new:
            self._running[worker] = self._started(worker)
        connection = self._running[worker][1]
        with suppress(BrokenPipeError, ConnectionResetError):  # it died meanwhile, which `answers` sees
            if is_new:
                connection.send_bytes(self._tasks[worker])
            connection.send(numbers)

    def _started(self, worker: int) -> tuple[SpawnProcess, Connection]:
        # Spawned, not forked: a forked process cannot use CUDA, and inherits locks that threads held.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_serve, args=(worker, theirs, self._shares[worker]), name=f"extract-{worker}", daemon=True
        )
        process.start()
        theirs.close()
        return process, ours

    def answers(self, timeout_s: float) -> list[Answer]:
        """Wait for answers; a closed pipe is the answer of a worker that died."""
        by_pipe = {connection: worker for worker, (_, connection) in self._running.items()}
        return [self._answer(by_pipe[pipe], pipe) for pipe in wait(list(by_pipe), timeout_s)]  # type: ignore[index, arg-type]  # wait gives back what it was given

    def _answer(self, worker: int, connection: Connection) -> Answer:
        try:
            answer: Answer = connection.recv()
        except (EOFError, ConnectionResetError, pickle.UnpicklingError):
            answer = Answer(worker, "died")
        if answer.kind == "died":
            code = self._end(worker)
            answer = replace(answer, reason=answer.reason or _reason(code))
        return answer

    def _end(self, worker: int) -> int | None:
        process, connection = self._running.pop(worker)
        connection.close()
        process.join(_GRACE_S)
        if process.exitcode is None:
            process.kill()
            process.join()
        return process.exitcode

    def stop(self) -> list[ShardReport]:
        """Interrupt all workers; they keep what is encoded, and report what they wrote."""
        for process, _ in self._running.values():
            with suppress(ProcessLookupError):
                os.kill(process.pid or 0, signal.SIGINT)
        deadline, reports = time.monotonic() + _GRACE_S, list[ShardReport]()
        while self._running and (left_s := deadline - time.monotonic()) > 0:
            for answer in self.answers(left_s):
                if answer.report is not None:
                    reports.append(answer.report)
        return reports

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in list(self._running):
            with suppress(OSError):
                self._running[worker][1].send(None)
        for worker in list(self._running):
            self._end(worker)


def local_devices(device: str, options: EngineOptions) -> Sequence[str]:
    """Return the device of every worker on this machine.

    Parameters
    ----------
    device : str
        As for `ravfeat.encoders.registry.load_encoder`: of a list of GPUs each worker gets its part, of ``cuda`` and
        ``auto`` of all that are there.
    options : EngineOptions

    Raises
    ------
    UsageError
        Where there are fewer GPUs than the workers need.
    """
    gpus = split_devices(device) if "," in device else _all_gpus(device)
    if not gpus:
        return [device] * (options.workers or USUAL_WORKERS)
    each = options.gpus_per_worker or 1
    workers = options.workers or max(1, len(gpus) // each)
    if workers * each > len(gpus):
        raise UsageError(
            f"{workers} workers with {each} GPUs each need {workers * each}, and --device {device} has {len(gpus)}"
            " here; give fewer --workers, or --device cpu"
        )
    return [",".join(gpus[worker * each : (worker + 1) * each]) for worker in range(workers)]


def _all_gpus(device: str) -> list[str]:
    if device == "cpu":
        return []
    try:
        from ravfeat.encoders.device import all_gpus
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "extract") from error
    return all_gpus(device)


def _shares(workers: int) -> list[set[int] | None]:
    """Divide the processors; None where each worker would get less than one."""
    if not hasattr(os, "sched_getaffinity"):
        return [None] * workers
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) < workers:
        return [None] * workers
    bounds = [len(processors) * worker // workers for worker in range(workers + 1)]
    return [set(processors[begin:end]) for begin, end in pairwise(bounds)]


def _reason(code: int | None) -> str:
    if code is not None and code < 0:
        return f"it was ended by {signal.Signals(-code).name}"
    return f"it ended with code {code}"


def _serve(number: int, driver: Connection, share: set[int] | None) -> None:
    """Write what the driver asks for, until it says that there is no more."""
    # First, as libraries count the processors when they are loaded.
    if share is not None:
        os.sched_setaffinity(0, share)
        # As many threads as one process alone would have, for the same bits, on fewer processors: those that wait for
        # others must not keep them from running.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    threading.Thread(target=_end_with_driver, daemon=True).start()
    from ravfeat.engines.worker import EngineWorker, interruptible

    worker: EngineWorker | None = None
    try:
        with interruptible():
            work, plan = pickle.loads(driver.recv_bytes())
            worker = EngineWorker(number, work, plan, driver.send)
            while (numbers := driver.recv()) is not None:
                answer = worker.run(numbers)
                driver.send(answer)
                if answer.kind != "done":
                    return
    except KeyboardInterrupt:
        if worker is not None:
            with suppress(OSError):
                driver.send(worker.stopped())
    except (EOFError, OSError):  # the driver is gone
        return
    finally:
        if worker is not None:
            worker.close()


def _end_with_driver() -> None:
    """Interrupt this process when the driver has ended, however that was."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    parent.join()
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(_ORPHAN_GRACE_S)  # to keep what is encoded
    os.kill(os.getpid(), signal.SIGKILL)  # it is stuck
