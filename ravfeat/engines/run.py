"""Extract with an engine: plan the work, hand its shards to workers, update the index."""

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from ravfeat.cache.format import shard_file
from ravfeat.cache.locks import WorkLock
from ravfeat.encoders.cuda import split_devices
from ravfeat.engines.base import EngineOptions, Pool
from ravfeat.engines.drive import Driver
from ravfeat.errors import CacheError, UsageError
from ravfeat.extract.named_work import NamedWork
from ravfeat.extract.request import ExtractResult
from ravfeat.extract.run import finish, kept_clips
from ravfeat.extract.work_plan import WorkPlan, plan_work

__all__ = ["ENGINES", "Engine", "EngineResult", "extract_with"]

Engine = Literal["local", "ray", "slurm"]
ENGINES: tuple[str, ...] = get_args(Engine)

_USUAL_WORKERS = 2


@dataclass(frozen=True)
class EngineResult:
    """What an engine has done.

    Attributes
    ----------
    results : list of ExtractResult
        One per encoder.
    names : list of str
        Of the encoders.
    given_up : dict of str to str
        Shards, with their folder, that every worker died with: what became of the last one.
    """

    results: list[ExtractResult]
    names: list[str]
    given_up: dict[str, str]


def extract_with(engine: Engine, work: NamedWork, out: Path, options: EngineOptions) -> EngineResult:
    """Extract the missing shards of some encoders with several processes.

    Parameters
    ----------
    engine : {"local", "ray", "slurm"}
    work : NamedWork
    out : Path
        Folder of all caches, which all workers reach.
    options : EngineOptions

    Raises
    ------
    CacheError
        As `ravfeat.extract.run.extract_together`, and where another driver fills the same cache.
    MissingExtraError
        Where the engine's package is not installed.
    UsageError
        For options that do not go together.

    Notes
    -----
    However it ends, finished shards are kept and the next call continues from there.
    """
    plan = plan_work(work, out)
    names = [str(cache.about["encoder"]) for cache in plan.caches]
    with ExitStack() as locks:
        for cache in plan.caches:
            locks.enter_context(WorkLock(cache.path)).claim_driver()
        if not any(cache.to_do for cache in plan.caches):
            return EngineResult(finish(plan, []), names, {})
        with make_pool(engine, work, plan, options) as pool:
            driver = Driver(plan, pool)
            try:
                driver.run()
            except BaseException as error:
                with suppress(CacheError):  # the error that stopped the run is the one to report
                    finish(plan, driver.reports)
                if isinstance(error, KeyboardInterrupt):
                    for cache in plan.caches:
                        error.add_note(kept_clips(cache.folder(), cache.numbers))
                raise
    given_up = {str(plan.caches[place].path / shard_file(n)): reason for (place, n), reason in driver.reasons.items()}
    return EngineResult(finish(plan, driver.reports), names, given_up)


def make_pool(engine: Engine, work: NamedWork, plan: WorkPlan, options: EngineOptions) -> Pool:
    """Make the workers of an engine; each gets the work for its own device."""
    if engine != "ray" and options.address is not None:
        raise UsageError(f"--address goes with --engine ray; --engine {engine} has no cluster to connect to")
    if engine != "slurm" and options.slurm:
        raise UsageError(f"--slurm goes with --engine slurm, not with --engine {engine}")
    from ravfeat.engines.local import LocalPool

    return LocalPool([work.on(device) for device in local_devices(work.device, options)], plan)


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
        return [device] * (options.workers or _USUAL_WORKERS)
    each = max(1, options.gpus_per_worker)
    workers = options.workers or len(gpus) // each
    if not workers or workers * each > len(gpus):
        raise UsageError(
            f"{workers or 1} workers with {each} GPUs each need {(workers or 1) * each}, and --device {device} has"
            f" {len(gpus)} here; give fewer --workers, or --device cpu"
        )
    return [",".join(gpus[worker * each : (worker + 1) * each]) for worker in range(workers)]


def _all_gpus(device: str) -> list[str]:
    if device not in {"auto", "cuda"}:
        return [] if device == "cpu" else [device]
    from ravfeat.encoders.device import resolve_device

    if resolve_device(device) == "cpu":
        return []
    import torch

    return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
