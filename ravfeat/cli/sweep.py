"""``ravfeat sweep``."""

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import click

from ravfeat.cli import command_line
from ravfeat.cli.run_options import no_ledger_option
from ravfeat.cli.show_scores import show_run
from ravfeat.cli.terminal import aligned, echo

if TYPE_CHECKING:
    from ravfeat.sweep.run import ReadySweep, SweepResult
    from ravfeat.sweep.winner import Revealed

__all__ = ["command"]

_SHOWN = 20


@click.command("sweep")
@click.argument("plan", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Where the sweep goes. [default: sweeps/<plan>]")
@click.option("--num-shards", type=click.IntRange(1), default=1, show_default=True, metavar="N",
              help="Into how many jobs the plans are divided.")  # fmt: skip
@click.option("--shard-index", type=click.IntRange(0), default=0, show_default=True, help="Of --num-shards, from 0.")
@click.option("--reveal", is_flag=True, help="Test the winner, once; a line in reveals.json counts every look.")
@click.option("--dry-run", is_flag=True, help="Check all plans and say what would be trained; write nothing.")
@no_ledger_option
@click.option("--own-code", is_flag=True, help="Run the code that heads of the plan name, such as mine.py:SVC.")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:N or auto.")
@click.option("--memory", metavar="SIZE", help="Train in at most this much memory, such as 4GB. [default: half of what"
              " is free]")  # fmt: skip
def command(
    plan: Path,
    out: Path | None,
    num_shards: int,
    shard_index: int,
    device: str,
    memory: str | None,
    *,
    reveal: bool,
    dry_run: bool,
    own_code: bool,
    no_ledger: bool,
) -> None:
    """Train every combination of a plan's caches, protocols, heads, settings and layers, and rank them.

    The ranking is by validation rows: no test clip is scored, shown or written. --reveal then trains the winner of
    each protocol again and tests it, once; its run says among how many it was chosen. A sweep that was interrupted goes
    on with the same command.

    \b
    heads = ["logreg", "kernel"]                           # plan.toml
    caches = ["cache/ravdess/…", "cache/ravdess/…"]
    layers = ["all", "6-12"]

    \b
    ravfeat sweep plan.toml --dry-run
    ravfeat sweep plan.toml --out sweeps/first
    ravfeat sweep plan.toml --out sweeps/first --num-shards 4 --shard-index 0
    ravfeat sweep plan.toml --out sweeps/first --reveal
    ravfeat report sweeps/first/winner
    """  # noqa: D301
    from ravfeat.encoders.device import resolve_device
    from ravfeat.resources import limited_memory, memory_remedy, parse_size
    from ravfeat.sweep import reveal as reveal_winners
    from ravfeat.sweep import run_sweep
    from ravfeat.sweep.run import open_sweep

    target = out or Path("sweeps") / plan.stem
    started = perf_counter()
    sweep = open_sweep(plan, device=resolve_device(device), own_code=own_code)
    _show_plan(sweep)
    if dry_run:
        _show_waiting(sweep, target)
        return
    with (
        limited_memory(None if memory is None else parse_size(memory)),
        memory_remedy("read fewer layers, or allow less --memory"),
    ):
        result = run_sweep(sweep, target, num_shards=num_shards, shard_index=shard_index, ledger=not no_ledger)
        _show_result(result)
        done = f"{result.n_trained} plans trained, {result.n_kept} kept, {result.n_waiting} not trained yet"
        echo(f"{target}: {done}, in {perf_counter() - started:.1f} s; the table is in {target / 'sweep.md'}")
        if reveal:
            for revealed in reveal_winners(result, target, command_line(), ledger=not no_ledger):
                _show_revealed(revealed)
        elif not result.n_waiting:
            echo("no test clip was scored; 'ravfeat sweep … --reveal' tests the winner")


def _show_plan(sweep: "ReadySweep") -> None:
    n = len(sweep.trials)
    echo(f"{n} plan{'s' if n > 1 else ''}, chosen by validation {sweep.plan.choose_by.upper()}")
    for reason in sweep.left_out:
        echo(f"not combined: {reason}")


def _show_waiting(sweep: "ReadySweep", out: Path) -> None:
    from ravfeat.sweep.folder import read_trial, trial_folder

    kept = {trial.digest for trial in sweep.trials if read_trial(trial_folder(out, trial.name), trial.digest)}
    for trial in sweep.trials:
        facts = ", ".join(f"{name} {value}" for name, value in trial.factors.items())
        echo(f"{'trained' if trial.digest in kept else 'to train'}: {facts}")
    echo(f"{len(sweep.trials) - len(kept)} to train, {len(kept)} trained; nothing was written")


def _show_result(result: "SweepResult") -> None:
    from ravfeat.sweep.page import conditions_of, table_of

    for ranking in result.groups.values():
        if not ranking:
            continue
        echo(f"{conditions_of(ranking)}: the mean over folds and seeds ± sd; no test clip")
        echo("\n".join(aligned(table_of(ranking)[: _SHOWN + 1])))
        if len(ranking) > _SHOWN:
            echo(f"… and {len(ranking) - _SHOWN} more in sweep.md")


def _show_revealed(revealed: "Revealed") -> None:
    look = revealed.look
    if revealed.fitted is None:
        echo(f"{revealed.folder}: the winner of {look.protocol} was tested before; 'ravfeat report' shows it")
        return
    echo(f"test: {look.name}, chosen among {look.among} by validation {look.choose_by.upper()}")
    if look.look > 1:
        echo(f"this is look {look.look} at the test clips of {look.protocol} in this sweep, and reveals.json says so")
    show_run(revealed.folder, revealed.records, revealed.fitted)
    echo(f"{revealed.folder}: a run; 'ravfeat report {revealed.folder}' makes its report")
