"""Extract on a Ray cluster, or with Ray on this machine: one actor per worker, which loads its encoders once."""

import os
import pickle
import socket
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ravfeat.engines.base import USUAL_WORKERS, Answer, Counts, EngineOptions
from ravfeat.engines.worker import EngineWorker
from ravfeat.errors import CacheError, MissingExtraError, UsageError
from ravfeat.extract.named_work import NamedWork
from ravfeat.extract.report import ShardReport
from ravfeat.extract.work_plan import ShardNumbers, WorkPlan
from ravfeat.resources import processors

__all__ = ["RayPool"]

_GRACE_S = 30.0
_CONNECT_S = 10.0
_STORE_BYTES = 100_000_000  # orders and reports are small; Ray would take a third of the memory


class RayPool:
    """Actors of Ray; see `ravfeat.engines.base.Pool`.

    Parameters
    ----------
    work : NamedWork
    plan : WorkPlan
        Its paths must lead to the same files on all machines.
    options : EngineOptions

    Raises
    ------
    CacheError
        Where there is no cluster at the address.
    MissingExtraError
        Where Ray is not installed.
    UsageError
        Where Ray on this machine has fewer GPUs than the workers need.
    """

    handed_out_at_once = False

    def __init__(self, work: NamedWork, plan: WorkPlan, options: EngineOptions) -> None:
        try:
            import ray as library
        except ModuleNotFoundError as error:
            raise MissingExtraError("ray", "ray") from error
        ray: Any = library  # its type information knows little of what is used here
        self._ray = ray
        self._begun = not ray.is_initialized()
        if self._begun:
            _connect(ray, options)
        resources = ray.cluster_resources()
        gpus = 0 if work.device == "cpu" else int(resources.get("GPU", 0))
        each = (options.gpus_per_worker or 1) if gpus else 0
        self.workers = options.workers or (max(1, gpus // each) if each else USUAL_WORKERS)
        if options.address is None and self.workers * each > gpus:
            self.__exit__(None, None, None)
            raise UsageError(
                f"{self.workers} workers with {each} GPUs each need {self.workers * each}, and Ray has {gpus} here;"
                " give fewer --workers, or --device cpu"
            )
        # Ray shows an actor its own GPUs only, numbered from 0.
        device = ",".join(f"cuda:{number}" for number in range(each)) or "cpu"
        work = work.as_here() if options.address is None else work
        self._task = pickle.dumps((work.on(device).to_send(), plan.to_send()))
        cpus = min(resources.get("CPU", 1) // self.workers, *(node["Resources"].get("CPU", 1) for node in ray.nodes()))
        # Two calls at once: one that writes shards, and one that asks how far it is.
        self._actor = ray.remote(num_cpus=max(1, int(cpus)), num_gpus=each, max_restarts=-1, max_concurrency=2)(_Actor)
        self._actors: dict[int, Any] = {}
        self._orders: dict[int, Any] = {}
        self._asked: dict[int, Any] = {}

    def submit(self, worker: int, numbers: ShardNumbers) -> None:
        """Give shards to an actor; Ray starts it again where it has died."""
        if worker not in self._actors:
            self._actors[worker] = self._actor.remote(worker, self._task, str(Path.cwd()))
        self._orders[worker] = self._actors[worker].run.remote(numbers)

    def answers(self, timeout_s: float) -> list[Answer]:
        """Wait for the end of an order, and ask all others how far they are."""
        workers = {order: worker for worker, order in self._orders.items()}
        ended, _ = self._ray.wait(list(workers), timeout=timeout_s)
        answers = [self._answer(workers[order], order) for order in ended]
        return answers + [counts for worker in self._orders if (counts := self._counts(worker)) is not None]

    def _answer(self, worker: int, order: Any) -> Answer:
        del self._orders[worker]
        self._asked.pop(worker, None)
        try:
            answer: Answer = self._ray.get(order)
        except self._ray.exceptions.RayError as error:
            return Answer(worker, "died", reason=(str(error).strip().splitlines() or ["it ended"])[0][:300])
        if answer.kind == "died":  # of an error that nobody foresaw: what it left in the process is not trusted
            self._ray.kill(self._actors[worker], no_restart=False)
        return answer

    def _counts(self, worker: int) -> Answer | None:
        asked = self._asked.get(worker)
        if asked is not None and not self._ray.wait([asked], timeout=0)[0]:
            return None
        self._asked[worker] = self._actors[worker].counts.remote()
        if asked is None:
            return None
        with suppress(self._ray.exceptions.RayError):  # it died, which its order tells
            return Answer(worker, "counts", self._ray.get(asked))
        return None

    def stop(self) -> list[ShardReport]:
        """Stop all actors; they keep what is encoded, and report what they wrote."""
        for worker in self._orders:
            self._actors[worker].stop.remote()
        reports = list[ShardReport]()
        ended, _ = self._ray.wait(list(self._orders.values()), num_returns=len(self._orders), timeout=_GRACE_S)
        for order in ended:
            with suppress(self._ray.exceptions.RayError):
                if (report := self._ray.get(order).report) is not None:
                    reports.append(report)
        self._orders.clear()
        return reports

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._begun:
            self._ray.shutdown()
            return
        for actor in self._actors.values():
            self._ray.kill(actor)


class _Actor:
    """The worker in its own process."""

    def __init__(self, number: int, task: bytes, folder: str) -> None:
        if Path(folder).is_dir():  # relative paths mean what they mean to the driver
            os.chdir(folder)
        work, plan = pickle.loads(task)
        self._worker = EngineWorker(number, work, plan)

    def run(self, numbers: ShardNumbers) -> Answer:
        return self._worker.run(numbers)

    def counts(self) -> Counts:
        return self._worker.counts

    def stop(self) -> None:
        self._worker.stopping.set()


def _connect(ray: Any, options: EngineOptions) -> None:
    # Nothing is reported to Ray's makers: the machine may have no network.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Without it Ray hides GPUs from actors that asked for none in a way that it warns about.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    common: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    if options.address is None:
        # See `ravfeat.engines.local`: threads that wait must not keep those of other actors from running.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        cpus = max(processors(), options.workers or USUAL_WORKERS)
        ray.init(address="local", num_cpus=cpus, include_dashboard=False, object_store_memory=_STORE_BYTES, **common)
        return
    try:
        _make_sure_someone_listens(options.address)
        ray.init(address=options.address, **common)
    except (OSError, RuntimeError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CacheError(
            f"no Ray cluster at --address {options.address} ({reason}); start one with 'ray start --head', or leave"
            " --address out to use this machine"
        ) from error


def _make_sure_someone_listens(address: str) -> None:
    """Try to connect to HOST:PORT, for which Ray would take minutes where nobody is there; OSError where it fails."""
    host, _, port = address.rpartition(":")
    if host and "/" not in address and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S).close()
