"""``ravfeat fine-tune``."""

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import click

from ravfeat.cli import command_line
from ravfeat.cli.run_options import no_ledger_option
from ravfeat.cli.show_corpus import show_columns
from ravfeat.cli.show_scores import show_run
from ravfeat.cli.table_options import (
    as_written_option,
    columns_option,
    corpus_option,
    data_option,
    parse_columns,
)
from ravfeat.cli.terminal import echo

if TYPE_CHECKING:
    from ravfeat.finetune.plan import FineTunePlan
    from ravfeat.runs.result import Fitted

__all__ = ["command"]


@click.command("fine-tune")
@corpus_option
@data_option
@click.option("--name", help="Name of the corpus, for --corpus folder. [default: the table's name]")
@columns_option()
@as_written_option
@click.option("--encoder", default="wavlm-large", show_default=True,
              help="A name (wavlm-large, hubert-base, whisper-small …), a hub id or a folder: WavLM, HuBERT,"
              " wav2vec 2.0, UniSpeech, Whisper.")  # fmt: skip
@click.option("--unfreeze-top", type=click.IntRange(1), required=True,
              help="Layers to train, from the top (the study: 6 of WavLM-large, 3 of HuBERT-base).")  # fmt: skip
@click.option("--protocol", default="ravdess6", show_default=True, metavar="NAME|FILE",
              help="As for fit-heads: ravdess6, emobox6, luna5, hicmae6, loso24; of any corpus loso, groupK,"
              " group:COLUMN, column:COLUMN or a file of folds. LEAKY: clip6, randomK.")  # fmt: skip
@click.option("--folds", help="Train and test these folds only, such as 0,1. [default: all]")
@click.option("--head", default="attentive", show_default=True, help="attentive or attentive-sum.")
@click.option("--epochs", type=click.IntRange(1), default=10, show_default=True, help="Epochs.")
@click.option("--batch-clips", type=click.IntRange(1), default=16, show_default=True, help="Clips per step.")
@click.option("--lr", type=float, default=3e-5, show_default=True, help="Peak learning rate of the encoder's layers.")
@click.option("--head-lr", type=float, default=1e-3, show_default=True, help="Peak learning rate of the head.")
@click.option("--augment", default="published", show_default=True,
              help="How training clips are augmented, drawn again each epoch: published, gain, noise, mask, crop or"
              " none.")  # fmt: skip
@click.option("--context", type=click.Choice(["encoder", "clip"]), default="encoder", show_default=True,
              help="What the trained layers attend to: all that the encoder computes (Whisper: 30 s, mostly silence),"
              " or the clip's own frames, which is many times faster there.")  # fmt: skip
@click.option("--seeds", type=click.IntRange(1), default=1, show_default=True, help="Train with this many seeds.")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:N or auto.")
@click.option("--precision", type=click.Choice(["auto", "float32", "bfloat16"]), default="auto", show_default=True,
              help="Precision of the trained layers' products; auto: bfloat16 on a GPU that computes in it (compute"
              " capability 8.0 or higher), float32 elsewhere.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path),
              help="Where the run goes; OUT.work beside it holds what is unfinished."
              " [default: runs/fine-tuned-<encoder>-top<N>-<protocol>]")  # fmt: skip
@click.option("--keep-weights", is_flag=True, help="Keep the trained layers and heads of every fold, under OUT/heads.")
@click.option("--allow-leak", is_flag=True, help="Run a LEAKY protocol as a control.")
@click.option("--force", is_flag=True, help="Replace a run that is already at --out.")
@no_ledger_option
def command(
    corpus: str,
    data: Path | None,
    name: str | None,
    columns: tuple[str, ...],
    as_written: tuple[str, ...],
    encoder: str,
    unfreeze_top: int,
    protocol: str,
    folds: str | None,
    head: str,
    epochs: int,
    batch_clips: int,
    lr: float,
    head_lr: float,
    augment: str,
    context: str,
    seeds: int,
    device: str,
    precision: str,
    out: Path | None,
    *,
    keep_weights: bool,
    allow_leak: bool,
    force: bool,
    no_ledger: bool,
) -> None:
    """Train an encoder's top layers and a head on waveforms: the control for heads on frozen features.

    Everything below the top layers stays as it is. Validation actors choose the epoch; test actors are read once, at
    the end of each fold. Run the same command again to go on after an interruption: it continues after the last whole
    epoch and gives what an uninterrupted run gives.

    \b
    ravfeat fine-tune --unfreeze-top 6 --device cuda
    ravfeat fine-tune --encoder hubert-base --unfreeze-top 3 --device cuda --out runs/hubert-top3
    ravfeat fine-tune --encoder models/tiny --unfreeze-top 1 --folds 0,1 --augment none --device cpu
    ravfeat fine-tune --unfreeze-top 6 --protocol clip6 --allow-leak --device cuda
    """  # noqa: D301
    from ravfeat.corpora import data_root, load_corpus
    from ravfeat.finetune import FineTunePlan, fine_tune, prepare, remove_work, work_folder
    from ravfeat.media.augment import CLEAN
    from ravfeat.resources import memory_remedy
    from ravfeat.runs.folder import check_out
    from ravfeat.runs.tries import Tried
    from ravfeat.runs.write import write_run

    label = Path(encoder).name
    target = out or Path("runs") / f"fine-tuned-{label}-top{unfreeze_top}-{protocol}"
    check_out(target, force=force)
    chosen = None if folds is None else _numbers(folds)
    manifest = load_corpus(corpus, data, name=name, columns=parse_columns(columns), as_written=as_written)
    show_columns(manifest)
    plan = FineTunePlan(
        manifest, data_root(corpus, data), encoder, unfreeze_top, protocol=protocol, head=head, epochs=epochs,
        batch_clips=batch_clips, lr=lr, head_lr=head_lr, augment=CLEAN if augment == "none" else augment,
        context=context, seeds=seeds, folds=chosen, device=device, precision=precision,  # type: ignore[arg-type]
        allow_leak=allow_leak, keep_weights=keep_weights,
    )  # fmt: skip
    started = perf_counter()
    remedy = (
        "train fewer layers (--unfreeze-top) or with fewer clips per step (--batch-clips), which are trainings of their"
        f" own with another --out; or take --device cpu. Whole epochs and folds are kept in {work_folder(target)}"
    )
    with memory_remedy(remedy):
        fitted = fine_tune(prepare(plan), work_folder(target))
    recipe = {"command": command_line(), "heads": [plan.head_name]}
    records = write_run(target, fitted, recipe, force=force, tried=Tried("fine-tune", keep=not no_ledger))
    # After the run is written: until then the work folder is all that an interrupted command goes on from.
    remove_work(work_folder(target))
    show_run(target, records, fitted)
    _show_epochs(plan, fitted)
    echo(
        f"{target}: predictions, scores and metrics, in {perf_counter() - started:.0f} s;"
        f" 'ravfeat report {target}' makes the report"
    )


def _numbers(folds: str) -> tuple[int, ...]:
    parts = [part.strip() for part in folds.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise click.UsageError(f"--folds '{folds}': expected numbers with commas between, such as 0,1")
    return tuple(map(int, parts))


def _show_epochs(plan: "FineTunePlan", fitted: "Fitted") -> None:
    about = fitted.about
    epochs = ", ".join(f"{fold['epoch']}" for fold in about["fine_tuned"]["epochs"])
    echo(f"best of {plan.epochs} epochs on validation actors, fold by fold: {epochs}")
    tested = about["tested_folds"]
    if len(tested["folds"]) < tested["of"]:
        listing = ", ".join(map(str, tested["folds"]))
        echo(
            f"{len(tested['folds'])} of {tested['of']} folds of {about['protocol']} ({listing}): the other actors were"
            " not tested, and these numbers are not the protocol's"
        )
