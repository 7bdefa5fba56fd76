"""Engines of ``ravfeat.extract``: which one its options name, and the extraction by it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from ravfeat.api.given import remember_given
from ravfeat.api.observer import Observer
from ravfeat.engines.base import EngineOptions
from ravfeat.engines.run import Engine, extract_with
from ravfeat.errors import UsageError
from ravfeat.extract import ExtractResult
from ravfeat.extract.named_work import NamedWork

__all__ = ["ChosenEngine", "chosen_engine", "extract_by_engine"]


@dataclass(frozen=True)
class ChosenEngine:
    """An engine and its options."""

    name: Engine
    options: EngineOptions


def chosen_engine(given: Mapping[str, Any], slurm: Mapping[str, str]) -> ChosenEngine | None:
    """Return the engine that the options of `ravfeat.extract` name; None without one.

    Raises
    ------
    UsageError
        For options that do not go together.
    """
    own = {name: given[name] for name in ("workers", "gpus_per_worker", "address")}
    if given["engine"] is None:
        if extra := [name for name, value in {**own, "slurm": slurm}.items() if value]:
            raise UsageError(f"--{extra[0].replace('_', '-')} goes with --engine")
        return None
    if given["dry_run"] or given["num_shards"] > 1:
        raise UsageError(
            f"{'--dry-run' if given['dry_run'] else '--num-shards'} goes without --engine: "
            + ("it measures this process alone" if given["dry_run"] else "an engine divides the work itself")
        )
    return ChosenEngine(given["engine"], EngineOptions(**own, slurm=dict(slurm)))


def extract_by_engine(
    engine: ChosenEngine, works: Sequence[NamedWork], out: Path | str, observer: Observer
) -> tuple[list[ExtractResult], dict[str, str]]:
    """Extract every stream with an engine.

    Returns
    -------
    results : list of ExtractResult
    given_up : dict of str to str
        Shards that every worker died with, and what became of the last one.
    """
    results: list[ExtractResult] = []
    given_up: dict[str, str] = {}
    for work in works:
        started = perf_counter()
        done = extract_with(engine.name, work, out, engine.options)
        seconds = perf_counter() - started
        for result, name in zip(done.results, done.names, strict=True):
            if work.manifest is not None:
                remember_given(result, work.manifest, observer)
            observer.extracted(result, name, seconds)
        results += done.results
        given_up |= done.given_up
    return results, given_up
