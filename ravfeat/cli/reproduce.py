"""``ravfeat reproduce``."""

import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import click

from ravfeat.cli import command_line
from ravfeat.cli.errors import NOT_WHOLE
from ravfeat.cli.terminal import echo

if TYPE_CHECKING:
    from ravfeat.report.study.lines import StudyLine
    from ravfeat.reproduce import Study
    from ravfeat.reproduce.extraction import Wish

__all__ = ["command"]


@click.command("reproduce")
@click.option("--cache", "caches", type=click.Path(path_type=Path), multiple=True,
              help="A cache, or a folder that holds some; repeat for more. [default: cache]")  # fmt: skip
@click.option("--role", "roles", multiple=True, metavar="ROLE=DIR",
              help="What a cache holds where its name does not tell: wavlm, hubert, voice (stands in for these),"
              " expression, imagenet, landmarks or geometry.")  # fmt: skip
@click.option("--data", type=click.Path(path_type=Path),
              help="The recordings, for features that no cache holds and for fine-tuning."
              " [default: data/ravdess where it exists]")  # fmt: skip
@click.option("--home", type=click.Path(path_type=Path), default=Path("cache"), show_default=True,
              help="Folder that gets new caches.")  # fmt: skip
@click.option("--encoder", help="An encoder that stands in for published ones whose weights cannot be had.")
@click.option("--detector-model", "models", type=click.Path(path_type=Path), multiple=True,
              help="MediaPipe face model (.tflite, .task), or a folder of them. [default: fetched]")  # fmt: skip
@click.option("--fine-tune", is_flag=True, help="Fine-tune without a GPU too, which takes hours.")
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Train with this many seeds.")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:N or auto.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/reproduce"), show_default=True,
              help="Steps, table and report.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="List the steps, their time and disk space, and stop.")
def command(
    caches: tuple[Path, ...],
    roles: tuple[str, ...],
    data: Path | None,
    home: Path,
    encoder: str | None,
    models: tuple[Path, ...],
    seeds: int,
    device: str,
    out: Path,
    *,
    fine_tune: bool,
    dry_run: bool,
) -> None:
    """Reproduce the study: every published row beside the one measured here, in one table and one report.

    Caches are used where they exist; features without a cache are extracted from --data where the encoder's weights
    can be had. Rows that lack weights or media say so, or use an encoder that stands in, and are marked. Run the same
    command again to go on after an interruption.

    \b
    ravfeat reproduce --device cuda
    ravfeat reproduce --dry-run
    ravfeat reproduce --cache cache/ravdess --role expression=cache/ravdess/face-my-net-0123456789ab
    ravfeat reproduce --data data/ravdess --encoder models/my-encoder --fine-tune
    """  # noqa: D301
    from ravfeat.encoders.device import resolve_device
    from ravfeat.errors import UsageError
    from ravfeat.reproduce import StudyOptions, plan_study, run_study
    from ravfeat.reproduce.extraction import make_caches, wishes_of
    from ravfeat.reproduce.run import check_study_out

    check_study_out(out)
    where = data or (Path("data/ravdess") if Path("data/ravdess").is_dir() else None)
    if where is not None and not where.is_dir():
        raise UsageError(f"--data {where} is no folder; give the one that holds the recordings")
    if absent := [path for path in caches if not path.exists()]:
        raise UsageError(f"--cache {absent[0]} does not exist; give a cache, or a folder that holds some")
    chosen = resolve_device(device)
    options = StudyOptions(
        out, (*(caches or (Path("cache"),)), home), where, home, encoder, _roles(roles), chosen, seeds,
        fine_tune or chosen.startswith("cuda"), models,
    )  # fmt: skip
    study = plan_study(options)
    wishes = wishes_of(study.materials, options)
    _show_plan(study, wishes)
    if not study.steps and not wishes:
        raise UsageError(
            "nothing to work on: no cache here and no recordings; name caches with --cache, or fetch the recordings"
            " with 'ravfeat download ravdess --audio --video' and run this again"
        )
    if dry_run:
        return
    started = perf_counter()
    if wishes:
        reasons = make_caches(wishes, options)
        # Planned again: a cache that was made, or could not be, changes which rows have a number.
        study = plan_study(options, reasons)
        _show_plan(study, [])
    outcome = run_study(study, command_line())
    _show_lines(outcome.lines)
    if outcome.audit:
        echo(f"audit of {outcome.audit}")
    n_made = len(study.steps) - outcome.n_kept - len(outcome.failed)
    echo(
        f"{out}: study.md, study.json{f', {outcome.report}' if outcome.report else ''}; {n_made} steps done,"
        f" {outcome.n_kept} were there, in {perf_counter() - started:.0f} s"
    )
    if outcome.failed:
        for name, reason in outcome.failed.items():
            echo(f"not done: {name}: {reason}", err=True)
        sys.exit(NOT_WHOLE)


def _roles(pairs: tuple[str, ...]) -> dict[str, Path]:
    roles = {}
    for pair in pairs:
        role, sign, path = pair.partition("=")
        if not (role and sign and path):
            raise click.UsageError(f"--role '{pair}': expected ROLE=DIR, such as expression=cache/ravdess/face-mine")
        roles[role] = Path(path)
    return roles


def _show_plan(study: "Study", wishes: "list[Wish]") -> None:
    from ravfeat.reproduce.extraction import GIGABYTES
    from ravfeat.reproduce.run import folder_of
    from ravfeat.reproduce.steps import estimate_s
    from ravfeat.reproduce.work import is_done

    for role, material in study.materials.found.items():
        echo(f"{role}: {material.path} ({material.encoder}{'' if material.exact else ', stands in'})")
    for wish in wishes:
        disk = f"about {GIGABYTES[wish.encoder]:.3g} GB" if wish.encoder in GIGABYTES else "size as of its encoder"
        echo(f"{wish.role}: to be extracted with {wish.encoder} if its weights can be had, {disk} on disk")
    total = 0.0
    for step in study.steps:
        seconds = estimate_s(step)
        done = is_done(step, folder_of(study, step))
        total += 0 if done or seconds is None else seconds
        cost = "done" if done else "hours without a GPU" if seconds is None else f"about {_minutes(seconds)}"
        echo(f"  {step.name}: {step.title}; {cost}")
    left_out = [entry for entry in study.entries if entry.missing]
    for entry in left_out:
        echo(f"  row {entry.row.key}, {entry.row.system}: no number: {entry.missing}")
    echo(
        f"{len(study.steps)} steps, about {_minutes(total)} on two idle cores for those not done yet; more with"
        " features that are yet to be extracted"
        if wishes
        else f"{len(study.steps)} steps, about {_minutes(total)} on two idle cores for those not done yet"
    )


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _show_lines(lines: "list[StudyLine]") -> None:
    for line in lines:
        name = f"{line.key:>3} {line.system}{' (stand-in)' if line.stand_in else ''}"
        echo(f"{name}; published {line.published}")
        for score in line.scores:
            label = f"{score.label}: " if score.label else ""
            echo(
                f"      {label}WA {score.wa[0]:.3f} [{score.wa[1]:.3f}, {score.wa[2]:.3f}] fold mean, UAR"
                f" {score.uar[0]:.3f} [{score.uar[1]:.3f}, {score.uar[2]:.3f}] pooled; {score.conditions};"
                f" {line.encoder}"
            )
        for note in line.said:
            echo(f"      {note}")
        if line.missing:
            echo(f"      not here: {line.missing}")
