"""Extract with an engine: plan the work, hand its shards to workers, update the index."""

from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from ravfeat.cache.format import shard_file
from ravfeat.cache.locks import WorkLock
from ravfeat.engines.base import EngineOptions, Pool
from ravfeat.engines.drive import Driver
from ravfeat.errors import CacheError, RemoteError, UsageError
from ravfeat.extract.named_work import NamedWork
from ravfeat.extract.request import ExtractResult
from ravfeat.extract.run import finish, kept_clips
from ravfeat.extract.work_plan import WorkPlan, plan_work
from ravfeat.short_repr import short_repr

__all__ = ["ENGINES", "Engine", "EngineResult", "extract_with"]

Engine = Literal["local", "ray", "slurm"]
ENGINES: tuple[str, ...] = get_args(Engine)


@short_repr
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


def extract_with(engine: Engine, work: NamedWork, out: Path | str, options: EngineOptions) -> EngineResult:
    """Extract the missing shards of some encoders with several processes.

    Parameters
    ----------
    engine : {"local", "ray", "slurm"}
    work : NamedWork
    out : Path or str
        Folder of all caches, or an address such as ``s3://…``; all workers reach it under this name.
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
    _check_options(engine, work.device, options)  # before anything is made
    with ExitStack() as locks:
        plan = locks.enter_context(closing(plan_work(work, out)))
        names = [str(cache.about["encoder"]) for cache in plan.caches]
        for cache in plan.caches:
            if not cache.address:  # a store decides between two by itself
                locks.enter_context(WorkLock(cache.path)).claim_driver()
        if not any(cache.to_do for cache in plan.caches):
            return EngineResult(finish(plan, []), names, {})
        with make_pool(engine, work, plan, options) as pool:
            driver = Driver(plan, pool)
            try:
                driver.run()
            except BaseException as error:
                with suppress(CacheError, RemoteError):  # the error that stopped the run is the one to report
                    finish(plan, driver.reports)
                if isinstance(error, KeyboardInterrupt):
                    for cache in plan.caches:
                        error.add_note(kept_clips(cache, cache.numbers))
                raise
        given_up = {
            f"{plan.caches[place].place}/{shard_file(number)}": reason
            for (place, number), reason in driver.reasons.items()
        }
        return EngineResult(finish(plan, driver.reports), names, given_up)


def _check_options(engine: Engine, device: str, options: EngineOptions) -> None:
    if engine != "ray" and options.address is not None:
        raise UsageError(f"--address goes with --engine ray; --engine {engine} has no cluster to connect to")
    if device == "cpu" and options.gpus_per_worker is not None:
        raise UsageError("--gpus-per-worker goes with GPUs, not with --device cpu; leave one of them out")
    if engine != "slurm" and options.slurm:
        raise UsageError(f"--slurm goes with --engine slurm, not with --engine {engine}")


def make_pool(engine: Engine, work: NamedWork, plan: WorkPlan, options: EngineOptions) -> Pool:
    """Make the workers of an engine; each gets the work for its own device."""
    if engine == "ray":
        from ravfeat.engines.ray import RayPool

        return RayPool(work, plan, options)
    if engine == "slurm":
        from ravfeat.engines.slurm import SlurmPool

        return SlurmPool(work, plan, options)
    from ravfeat.engines.local import LocalPool, local_devices

    return LocalPool([work.as_here().on(device) for device in local_devices(work.device, options)], plan)
