"""Options of ``ravfeat extract`` for extraction by several processes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = ["engine_options", "parse_slurm", "place"]

Command = TypeVar("Command", bound=Callable[..., Any])


def place(text: str | Path) -> Path | str:
    """Return a path, or the address of an object store as it is."""
    from ravfeat.remote.store import is_remote

    return str(text) if is_remote(text) else Path(text)


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


def parse_slurm(options: Sequence[str]) -> dict[str, str]:
    """Read --slurm KEY=VALUE options.

    Raises
    ------
    click.UsageError
        For what is not of that form.
    """
    return dict(map(_pair, options))


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.isidentifier():
        raise click.UsageError(f"--slurm {text}: expected KEY=VALUE, such as partition=gpu")
    return key, value
