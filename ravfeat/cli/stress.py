"""``ravfeat stress``."""

import sys
from collections import Counter
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import click

from ravfeat.cli.errors import NOT_WHOLE
from ravfeat.cli.model_options import model_option, parse_models
from ravfeat.cli.terminal import aligned, echo

if TYPE_CHECKING:
    from ravfeat.runs.stress_file import Stress, StressScore

__all__ = ["command"]


@click.command("stress")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), multiple=True,
              help="Where the recordings lie, as 'ravfeat extract' was told; repeat where voices and faces lie apart."
              " [default: ., data/CORPUS]")  # fmt: skip
@click.option("--cache", "caches", type=click.Path(path_type=Path), multiple=True,
              help="A cache of the run that was moved, or a folder of such caches; repeat for more.")  # fmt: skip
@click.option("--condition", "conditions", multiple=True, metavar="NAME[:STRENGTH]",
              help="snr, telephone, gain, clip, reverb, mp3, speed or trim of a voice; dark, blur or small of a face."
              " A name stands for all its strengths; repeat for more. [default: all]")  # fmt: skip
@click.option("--clips", type=click.IntRange(min=1), metavar="N",
              help="A sample of N test clips, as many of every actor and class as can be. [default: all]")  # fmt: skip
@click.option("--cache-dir", type=click.Path(path_type=Path, file_okay=False),
              help="Keep the caches of changed recordings there. [default: each is removed once it is"
              " scored]")  # fmt: skip
@model_option("Where the model of an encoder is. [default: what the cache says]")
@click.option("--detector-model", "detector_models", type=click.Path(path_type=Path), multiple=True,
              help="MediaPipe face model (.tflite, .task), or a folder of them. [default: fetched]")  # fmt: skip
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:N or auto.")
def command(
    run: Path,
    data: tuple[Path, ...],
    caches: tuple[Path, ...],
    conditions: tuple[str, ...],
    clips: int | None,
    cache_dir: Path | None,
    models: tuple[str, ...],
    detector_models: tuple[Path, ...],
    device: str,
) -> None:
    """Score the heads of a run on changed test recordings: noise, telephone, reverberation, mp3, darkness, blur.

    The recordings that a fold tested are changed, encoded by the run's own encoders, and scored by that fold's own
    heads, temperatures and fusion weights: nothing learns anything. Recordings that are not changed go the same way
    first and must get the run's own predictions. What is done is kept in RUN/stress: run the same command again
    after an interruption. The table goes into RUN/stress.json, and 'ravfeat report' draws it.

    \b
    ravfeat stress runs/a --data data/ravdess
    ravfeat stress runs/a --data data/ravdess --clips 240 --condition snr --condition mp3:16
    ravfeat stress runs/a --data voices --data videos --device cuda --model wavlm-large=models/wavlm-large
    """  # noqa: D301
    from ravfeat.api.stress import stress
    from ravfeat.runs.recipe import read_recipe

    started = perf_counter()
    done = stress(
        run, data=data, caches=caches, conditions=conditions, clips=clips, cache_dir=cache_dir,
        models=parse_models(models), detector_models=detector_models, device=device,
    )  # fmt: skip
    _show(done, leaky="  LEAKY" if read_recipe(run).leaky else "")
    echo(f"{run / 'stress.json'}: {len(done.conditions)} conditions, in {perf_counter() - started:.1f} s")
    if done.failed:
        sys.exit(NOT_WHOLE)


def _show(stress: "Stress", leaky: str) -> None:
    from ravfeat.schema import transductive_suffix

    for clean in stress.clean:
        if not (scores := stress.of(clean.system)):
            continue
        marks = f"{leaky}{'  TRANSDUCTIVE' if transductive_suffix(clean.features) else ''}"
        echo(f"{clean.system}: UAR {clean.uar.text()}, ECE {clean.ece.value:.3f}, {stress.sample}{marks}")
        rows = [("condition", "UAR, 95 % over actors", "change", "ECE", "n"), *map(_row, scores)]
        echo("\n".join(f"  {line}" for line in aligned(rows)))
    for crossing in stress.crossings:
        echo(f"{crossing.words} (by point estimates){leaky}")
    for name, reason in stress.left_out.items():
        echo(f"not stressed: {name}: {reason}")
    _show_failed(stress)
    echo(stress.check)


def _show_failed(stress: "Stress") -> None:
    """Name clips that could not be read or encoded; both sides of their conditions are scored without them."""
    counts = Counter(clip for each in stress.conditions for clip in each.failed)
    for clip, reason in sorted(stress.failed.items()):
        echo(f"left out of {counts[clip]} of {len(stress.conditions)} conditions: {clip}: {reason}", err=True)


def _row(score: "StressScore") -> tuple[str, ...]:
    return score.condition, score.uar.text(), score.difference.text("+.3f"), f"{score.ece.value:.3f}", str(score.n)
