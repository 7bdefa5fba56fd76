"""``ravfeat predict``."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ravfeat.cli.errors import NOT_WHOLE
from ravfeat.cli.model_options import model_option, parse_models
from ravfeat.cli.terminal import echo

if TYPE_CHECKING:
    from ravfeat.published.head import Fold

__all__ = ["command"]

_LONGEST = 9


@click.command("predict")
@click.argument("head")
@click.argument("inputs", metavar="FILES|FOLDER|TABLE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False),
              help="Table with a row for each window, file and system: .csv, .parquet or .jsonl.")  # fmt: skip
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:N or auto.")
@model_option("Where a model is. [default: what the head says]")
@click.option("--detector-model", "detector_models", type=click.Path(path_type=Path), multiple=True,
              help="MediaPipe face model (.tflite, .task), or a folder of them. [default: fetched]")  # fmt: skip
@click.option("--window", "window_s", type=float, metavar="SECONDS",
              help="Length of a window. [default: the median length of the clips that trained the head]")  # fmt: skip
@click.option("--hop", "hop_s", type=float, metavar="SECONDS",
              help="From the start of a window to that of the next. [default: half a window]")  # fmt: skip
@click.option("--whole", is_flag=True, help="Take every recording as one window.")
@click.option("--fold", help="Whose heads: a fold's number, refit (trained on all actors) or mean (of all folds)."
              " [default: refit where there is one, else mean]")  # fmt: skip
@click.option("--system", "systems", multiple=True,
              help="Which answers: fused, audio, face, or STREAM/FEATURES/HEAD; repeat for more."
              " [default: all]")  # fmt: skip
@click.option("--offline", is_flag=True, help="Open no connection; all models must be on this machine.")
def command(
    head: str,
    inputs: tuple[Path, ...],
    out: Path | None,
    device: str,
    models: tuple[str, ...],
    detector_models: tuple[Path, ...],
    window_s: float | None,
    hop_s: float | None,
    fold: str | None,
    systems: tuple[str, ...],
    *,
    whole: bool,
    offline: bool,
) -> None:
    """Predict the emotions of recordings with a published head (a folder, or an address), window by window.

    Every recording is divided into windows of the length of the clips that trained the head; each is encoded and
    scored like a clip of its own, and the summary of a file is the mean of its windows. Whatever cannot be predicted
    is reported with its reason, and the exit code is then 3. Run the same command again after an interruption: with
    --out, what is done is kept.

    \b
    ravfeat predict heads/voice-and-face talk.webm
    ravfeat predict heads/voice interview.wav --window 4 --hop 1 --out interview.csv
    ravfeat predict heads/voice recordings/ --out predictions.parquet --device cuda
    ravfeat predict heads/voice clips.csv --whole --fold mean
    ravfeat predict hf://USER/NAME@REVISION talk.wav
    ravfeat predict heads/voice talk.wav --model wavlm-large=~/models/wavlm-large --offline
    """  # noqa: D301
    from ravfeat.cli.show_prediction import describe
    from ravfeat.predict.inputs import list_recordings
    from ravfeat.predict.journal import Journal
    from ravfeat.predict.table import check_out, rows_of, write_rows
    from ravfeat.progress import track_progress
    from ravfeat.published import load_head
    from ravfeat.published.prepare import sources_to_load
    from ravfeat.published.pull import find_head

    listed = list_recordings(inputs)
    if out is not None:
        check_out(out, (*inputs, *listed.paths))
    names = [str(path) for path in listed.paths]
    if listed.left_out:
        echo(f"not taken: {', '.join(f'{count} {kind}' for kind, count in listed.left_out.most_common())}", err=True)
    asked = _fold(fold)
    folder = find_head(head, offline=offline)
    loaded = load_head(folder, sources=sources_to_load(folder, asked))
    if loaded.window_s is None and window_s is None and not whole:
        echo("the head does not say how long the clips were that trained it: recordings are taken whole, if there is no"
             " --window", err=True)  # fmt: skip
    about = {
        "head": loaded.about, "window": window_s, "hop": hop_s, "whole": whole, "fold": fold,
        "systems": list(systems), "device": device,
    }  # fmt: skip
    with ExitStack() as stack:
        predictor = stack.enter_context(
            loaded.predictor(
                device=device,
                models=parse_models(models),
                detector_models=detector_models,
                window_s=window_s,
                hop_s=hop_s,
                whole=whole,
                fold=asked,
                systems=systems or None,
                offline=offline,
            )
        )
        journal = stack.enter_context(Journal(out, about, names))
        to_do = [name for name in names if name not in journal.done]
        if journal.done:
            echo(f"{len(journal.done)} of {len(names)} recordings were predicted before the interruption")
        predictions = predictor.predict_files(to_do)
        for prediction in track_progress(predictions, total=len(to_do), desc="predicting", unit="file", delay=1.0):
            echo(describe(prediction))
            journal.add(prediction.file, list(rows_of(prediction)))
        rows = [row for name in names for row in journal.done[name]]
        if out is not None:
            write_rows(rows, loaded.classes, out)
            echo(f"{out}: {len(rows)} rows of {len(names)} recordings")
    if any(row["status"] == "failed" for row in rows if row["scope"] == "file"):
        echo("not everything could be predicted; the reasons are above", err=True)
        sys.exit(NOT_WHOLE)


def _fold(text: str | None) -> "Fold":
    match text:
        case None | "refit" | "mean":
            return text
        case _ if text.isascii() and text.isdecimal() and len(text) < _LONGEST:
            return int(text)
    raise click.UsageError(f"--fold {text}: expected a fold's number, refit or mean")
