"""Extract with jobs of Slurm, one array of jobs with a part of the shards each, through submitit."""

import pickle
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ravfeat.engines.base import USUAL_WORKERS, Answer, Counts, EngineOptions
from ravfeat.errors import CacheError, MissingExtraError
from ravfeat.extract.named_work import NamedWork
from ravfeat.extract.report import ShardReport
from ravfeat.extract.work_plan import ShardNumbers, WorkPlan

__all__ = ["SlurmPool"]

CLUSTER = "slurm"
"""Which of submitit's executors; ``local`` has the same jobs as processes of this machine."""

_GRACE_S = 30.0
_LOOK_S = 5.0  # between two looks at which shards are there


class SlurmPool:
    """Jobs of Slurm; see `ravfeat.engines.base.Pool`.

    Parameters
    ----------
    work : NamedWork
    plan : WorkPlan
        Its paths must lead to the same files on all nodes.
    options : EngineOptions
        Every job gets its ``slurm`` options; logs are in ``slurm-logs`` beside the caches, or where this is run
        if these are at an object store.

    Raises
    ------
    CacheError
        Where this machine cannot submit jobs.
    MissingExtraError
        Where submitit is not installed.
    """

    handed_out_at_once = True

    def __init__(self, work: NamedWork, plan: WorkPlan, options: EngineOptions) -> None:
        try:
            import submitit
        except ModuleNotFoundError as error:
            raise MissingExtraError("submitit", "slurm") from error
        gpus = options.gpus_per_worker or int(work.device.startswith("cuda"))
        device = ",".join(f"cuda:{number}" for number in range(gpus)) or work.device
        first = plan.caches[0]
        logs = (Path.cwd() if first.address else first.path.parents[1]) / "slurm-logs"
        try:
            self._executor: Any = submitit.AutoExecutor(folder=logs, cluster=CLUSTER)
        except RuntimeError as error:
            raise CacheError(
                f"no jobs of Slurm can be submitted here ({error}); run this on a login node of the cluster, or use"
                " --engine local"
            ) from error
        self._executor.update_parameters(name="ravfeat-extract", slurm_additional_parameters=dict(options.slurm))
        if gpus:
            self._executor.update_parameters(gpus_per_node=gpus)
        self.workers = options.workers or USUAL_WORKERS
        self._plan = plan
        self._task = pickle.dumps((work.on(device).to_send(), plan.to_send()))
        self._new: dict[int, ShardNumbers] = {}
        self._jobs: dict[int, tuple[Any, ShardNumbers]] = {}
        self._looked_s = 0.0

    def submit(self, worker: int, numbers: ShardNumbers) -> None:
        """Give shards to a new job, which is submitted together with all others when answers are waited for."""
        self._new[worker] = numbers

    def answers(self, timeout_s: float) -> list[Answer]:
        """Submit new jobs as one array; wait for jobs that ended, and look which shards are there."""
        if self._new:
            with self._executor.batch():
                jobs = {w: self._executor.submit(_work, w, self._task, order) for w, order in self._new.items()}
            self._jobs |= {worker: (jobs[worker], order) for worker, order in self._new.items()}
            self._new = {}
        ended = [worker for worker, (job, _) in self._jobs.items() if job.done()]
        if not ended:
            time.sleep(timeout_s)
            return list(self._counts())
        return [_answer_of(worker, self._jobs.pop(worker)[0]) for worker in ended]

    def _counts(self) -> Iterator[Answer]:
        if time.monotonic() - self._looked_s < _LOOK_S:
            return
        self._looked_s = time.monotonic()
        folders = [cache.folder() for cache in self._plan.caches]
        for worker, (_, order) in self._jobs.items():
            pairs = zip(folders, order, strict=True)
            done = {c.clip_id for folder, own in pairs for n in folder.present(own) for c in folder.planned.clips_of(n)}
            yield Answer(worker, "counts", Counts(len(done)))

    def stop(self) -> list[ShardReport]:
        """Cancel all jobs; they keep what is encoded, and what they wrote is read from the disk."""
        for job, _ in self._jobs.values():
            with suppress(Exception):  # it has ended, or Slurm does not answer: nothing more can be done here
                job.cancel()
        deadline = time.monotonic() + _GRACE_S
        while time.monotonic() < deadline and not all(job.done(force_check=True) for job, _ in self._jobs.values()):
            time.sleep(0.2)
        return []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return


def _answer_of(worker: int, job: Any) -> Answer:
    import submitit

    try:
        answer: Answer = job.result()
    except (submitit.core.utils.UncompletedJobError, submitit.core.utils.FailedJobError) as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        return Answer(worker, "died", reason=f"job {job.job_id} ended: {(lines or ['no reason given'])[0][:300]}")
    return answer


def _work(worker: int, task: bytes, numbers: ShardNumbers) -> Answer:
    """Run one job."""
    from ravfeat.engines.worker import EngineWorker, interruptible

    work, plan = pickle.loads(task)
    engine_worker = EngineWorker(worker, work, plan)
    try:
        with interruptible():
            return engine_worker.run(numbers)
    except KeyboardInterrupt:  # what Slurm sends before it kills, too
        return engine_worker.stopped()
    finally:
        engine_worker.close()
