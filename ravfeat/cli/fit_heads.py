"""``ravfeat fit-heads``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ravfeat.cli import command_line
from ravfeat.cli.cross_corpus import across_options, show_across, show_normalised
from ravfeat.cli.observer import TerminalObserver
from ravfeat.cli.renamed import RenamedOption
from ravfeat.cli.run_options import no_ledger_option
from ravfeat.cli.show_scores import show_run
from ravfeat.cli.table_options import as_written_option
from ravfeat.cli.terminal import echo

if TYPE_CHECKING:
    from ravfeat.runs.result import Fitted

__all__ = ["command"]


@click.command("fit-heads")
@click.option("--cache", "caches", type=click.Path(path_type=Path), multiple=True,
              help="A cache, or a folder that holds one; repeat for more. [default: all under cache/]")  # fmt: skip
@click.option("--concat", "concat", cls=RenamedOption, formerly="--join", multiple=True, metavar="A,B",
              help="Caches of one stream whose pooled features are concatenated for one head (logreg, kernel,"
              " block-kernel); repeat for more. Without --cache, only these are trained.")  # fmt: skip
@click.option("--train-views", "train_views", type=click.Path(path_type=Path), multiple=True, metavar="CACHE",
              help="A cache of augmented views (extract --view) of a --cache's clips: they train beside these and "
              "are tested on only as part of a mean; repeat for more.")  # fmt: skip
@click.option("--average-views", type=click.Choice(["scores", "statistics"]), is_flag=False, flag_value="scores",
              help="Take every clip, of validation and test too, as the mean over itself and its own views: of the "
              "scores of heads that trained on all of them (the value if none is given), or of the pooled statistics "
              "(logreg and the kernels). Never of another clip.")  # fmt: skip
@click.option("--protocol", show_default="ravdess6", metavar="NAME|FILE",
              help="Of RAVDESS: ravdess6, emobox6, luna5, hicmae6, loso24. Of any corpus: loso (one speaker left out),"
              " group5 (five groups of speakers), group:COLUMN (one value left out, such as a session),"
              " group5:COLUMN, column:COLUMN (an official split: train, val, test), or a table of clip (or actor), fold"
              " and split. LEAKY: clip6, random5.")  # fmt: skip
@click.option("--head", "heads", multiple=True, default=["block-kernel"], show_default=True,
              help="attentive, attentive-sum, mlp, logreg, lda, svm, kernel or block-kernel, audio:NAME and face:NAME"
              " for caches of one stream; joint-kernel (over one voice and all caches of its face) or joint (one"
              " network over one cache of each stream, a control); mine.py:NAME or package.module:NAME for a"
              " classifier or network of your own, which is run; repeat for more.")  # fmt: skip
@click.option("--fusion", cls=RenamedOption, formerly="--rule",
              type=click.Choice(["auto", "linear", "loglinear", "none"]), default="auto", show_default=True,
              help="How systems (caches x heads) are fused; auto takes what is best on validation rows.")  # fmt: skip
@click.option("--select", type=click.Choice(["val", "nested"]), default="val", show_default=True,
              help="Choose layers and settings on the validation actors, or on inner folds over all non-test"
              " actors.")  # fmt: skip
@click.option("--seeds", type=click.IntRange(1), default=1, show_default=True, help="Train with this many seeds.")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:N or auto.")
@click.option("--out", type=click.Path(path_type=Path), help="Where the run goes. [default: runs/<date>-<heads>]")
@click.option("--layers", help="Layers that heads may use: last, 3, 6-12 or 1,5,9. [default: all]")
@click.option("--pool", type=click.Choice(["whole", "active", "whole+active"]),
              help="Frames that logreg and the kernels pool of a voice: all, those of its speech, or each apart."
              " [default: whole]")  # fmt: skip
@click.option("--no-std", is_flag=True, help="Pool the mean only, without the standard deviation.")
@click.option("--epochs", type=click.IntRange(1), help="Epochs of networks (attentive, attentive-sum, mlp, joint).")
@click.option("--frame-average", type=click.IntRange(1, 10_000), metavar="K",
              help="Frames that networks average to one before anything else. [default: 16]")  # fmt: skip
@click.option("--precision", type=click.Choice(["float32", "bfloat16"]),
              help="Precision of large matrix products in the training of networks. [default: float32]")  # fmt: skip
@click.option("--memory", metavar="SIZE",
              help="Train in at most this much memory, such as 4GB; what does not fit is streamed from the disk, to "
              "the same numbers. [default: half of what is free]")  # fmt: skip
@click.option(
    "--labels", type=click.Path(path_type=Path), help="Table of clip_id and label that replaces the corpus's labels."
)
@click.option("--clips", type=click.Path(path_type=Path), metavar="TABLE",
              help="Table with a column clip_id: only these clips are used, and only their shards read. [default:"
              " all]")  # fmt: skip
@click.option("--where", metavar="CONDITION",
              help="Only clips of which this holds: \"label != 'calm' and session in (1, 2)\", over the columns of the"
              " corpus's table.")  # fmt: skip
@as_written_option
@click.option("--allow-leak", is_flag=True, help="Run a LEAKY protocol, or a split that leaks, as a control.")
@click.option("--allow-missing", is_flag=True, help="Go on without clips that are not in the cache.")
@click.option("--force", is_flag=True, help="Replace a run that is already at --out.")
@no_ledger_option
@across_options
def command(**options: Any) -> None:
    """Train small heads on cached features, predict every test clip, and score actors they never met.

    Folds that train on an actor (speaker), performance or recording that they test are refused, by the
    records in the cache itself. Every system (a cache and a head) gets a temperature, and two or more are
    fused; both are learned from validation rows only.

    \b
    ravfeat fit-heads
    ravfeat fit-heads --cache cache --head attentive --head logreg --select nested --seeds 3 --out runs/a
    ravfeat fit-heads --cache cache/voice --cache cache/face --head audio:attentive --head face:kernel
    ravfeat fit-heads --protocol group5 --cache cache/crema-d
    ravfeat fit-heads --head mine.py:SVC --head mine.py:GRU --head sklearn.ensemble:RandomForestClassifier
    ravfeat fit-heads --protocol group:session --cache cache/iemocap --label-map classes.csv --where "session != 5"
    ravfeat fit-heads --protocol column:split --cache cache/meld
    ravfeat fit-heads --protocol folds.csv --cache cache/mine
    ravfeat fit-heads --protocol clip6 --allow-leak --out runs/a-leaky
    ravfeat fit-heads --cache cache/wavlm-large --frame-average 1 --memory 4GB --precision bfloat16
    ravfeat fit-heads --protocol group5 --cache cache/large --clips some.csv --head logreg
    ravfeat fit-heads --cache cache/clean --train-views cache/augmented
    ravfeat fit-heads --cache cache/clean --train-views cache/slow --average-views --head kernel --pool whole+active
    ravfeat fit-heads --cache cache/egemaps --head logreg --head svm --normalise actor
    ravfeat fit-heads --head logreg --concat cache/landmarks,cache/expression --out runs/face
    ravfeat fit-heads --cache cache/voice --concat cache/geometry,cache/fer --head block-kernel --head joint-kernel
    ravfeat fit-heads --train-cache cache/crema-d --test-cache cache/ravdess --label-map labels.csv --select nested
    """  # noqa: D301
    from ravfeat.api.fit_heads import fit_heads

    fit_heads(**options, observer=_Terminal(command_line()))


class _Terminal(TerminalObserver):
    def trained(
        self, run: Path, fitted: "Fitted", records: Sequence[Mapping[str, Any]], *, seconds: float, trained_s: float
    ) -> None:
        """Print scores, and where the run is."""
        show_across(fitted.about)
        show_normalised(fitted.about)
        show_run(run, records, fitted)
        from ravfeat.heads.checkpoint import is_kept

        if lost := sorted({trained.head for trained in fitted.models if not is_kept(trained.model)}):
            echo(f"no model is kept of {', '.join(lost)}: Python objects of your own code; their predictions are")
        kept = sum(is_kept(trained.model) for trained in fitted.models)
        echo(
            f"{run}: predictions, scores, metrics and {kept} heads, in {seconds:.1f} s"
            f" ({trained_s:.1f} s training); 'ravfeat report {run}' makes the report"
        )
