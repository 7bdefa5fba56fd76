"""Options of ``ravfeat extract`` for extraction by several processes, and the command's part that runs them."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ravfeat.cli.errors import NOT_WHOLE
from ravfeat.cli.show_extraction import show_result
from ravfeat.cli.terminal import echo

if TYPE_CHECKING:
    from ravfeat.engines.base import EngineOptions
    from ravfeat.engines.run import Engine
    from ravfeat.extract.named_work import NamedWork

__all__ = ["ChosenEngine", "chosen_engine", "engine_options", "place", "run_engine"]

Command = TypeVar("Command", bound=Callable[..., Any])


def place(text: str | Path) -> Path | str:
    """Return a path, or the address of an object store as it is."""
    from ravfeat.remote.store import is_remote

    return str(text) if is_remote(text) else Path(text)


@dataclass(frozen=True)
class ChosenEngine:
    """An engine and its options."""

    name: "Engine"
    options: "EngineOptions"


def engine_options(command: Command) -> Command:
    """Add the options of engines to a command."""
    for option in reversed((
        click.option("--engine", type=click.Choice(["local", "ray", "slurm"]),
                     help="Divide the work among processes: of this machine, of a Ray cluster, jobs of Slurm. [default:"
                     " this process alone]"),
        click.option("--workers", type=click.IntRange(1),
                     help="Processes of --engine. [default: one for every GPU; 2 on cpu]"),
        click.option("--gpus-per-worker", type=click.IntRange(1), help="GPUs of each. [default: 1]"),
        click.option("--address", help="Of a Ray cluster, or auto; without it Ray runs on this machine."),
        click.option("--slurm", multiple=True, metavar="KEY=VALUE",
                     help="Option of sbatch for --engine slurm, such as partition=gpu; repeat for more."),
    )):  # fmt: skip
        command = option(command)
    return command


def chosen_engine(given: Mapping[str, Any], *, dry_run: bool, divided: bool) -> ChosenEngine | None:
    """Return the engine that the options name; None without --engine."""
    if given["engine"] is None:
        if extra := [name for name, value in given.items() if value]:
            raise click.UsageError(f"--{extra[0].replace('_', '-')} goes with --engine")
        return None
    if dry_run or divided:
        raise click.UsageError(
            f"{'--dry-run' if dry_run else '--num-shards'} goes without --engine: "
            + ("it measures this process alone" if dry_run else "an engine divides the work itself")
        )
    from ravfeat.engines.base import EngineOptions

    options = EngineOptions(
        given["workers"], given["gpus_per_worker"], given["address"], dict(map(_pair, given["slurm"]))
    )
    return ChosenEngine(given["engine"], options)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.isidentifier():
        raise click.UsageError(f"--slurm {text}: expected KEY=VALUE, such as partition=gpu")
    return key, value


def run_engine(engine: ChosenEngine, works: "Sequence[NamedWork]", out: Path | str) -> None:
    """Extract every stream with an engine, and show what came of it."""
    from ravfeat.corpora.last_table import record_absent
    from ravfeat.engines.run import extract_with

    whole = True
    for work in works:
        started = perf_counter()
        done = extract_with(engine.name, work, out, engine.options)
        seconds = perf_counter() - started
        for result, name in zip(done.results, done.names, strict=True):
            if work.manifest is not None and not result.address:
                record_absent(result.path, work.manifest.by_id())
            whole &= not show_result(result, seconds, name=name)
        for shard, reason in done.given_up.items():
            whole = False
            echo(f"given up: {shard}: every worker died with it, the last as {reason}", err=True)
    if not whole:
        echo("repair what the reasons name and run the same command again: only these are tried", err=True)
        sys.exit(NOT_WHOLE)
