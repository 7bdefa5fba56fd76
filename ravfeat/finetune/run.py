"""Fine-tuning: every fold of every seed, each kept as soon as it is done."""

from pathlib import Path

from ravfeat.finetune.clips import ClipReader
from ravfeat.finetune.fold import FoldResult, FoldTraining
from ravfeat.finetune.frozen import FrozenStates
from ravfeat.finetune.network import FineTuneNetwork
from ravfeat.finetune.prepare import PreparedFineTune
from ravfeat.finetune.results import TrainedFold, fitted_of
from ravfeat.finetune.resume import Work, open_work
from ravfeat.progress import ProgressBar, track_progress
from ravfeat.runs.result import Fitted

__all__ = ["fine_tune"]


def fine_tune(prepared: PreparedFineTune, work: Path) -> Fitted:
    """Train the folds that are not done yet, and give them all.

    What is done lies in the work folder, fold by fold and epoch by epoch; run again after an
    interruption, it gives what an uninterrupted run gives, on a CPU to the last bit. The folder stays: remove it
    (`ravfeat.finetune.remove_work`) when the run has been written.

    Parameters
    ----------
    prepared : PreparedFineTune
        From `ravfeat.finetune.prepare`.
    work : Path
        See `ravfeat.finetune.work_folder`.

    Raises
    ------
    UsageError
        Where the work folder holds other work; see `ravfeat.finetune.resume`.
    HeadError
        Where the training diverges.
    """
    plan, head = prepared.plan, prepared.plan.network_head()
    network = FineTuneNetwork(prepared.split, head.net(), window=head.frame_average, half=prepared.half)
    reader = ClipReader(plan.root, prepared.encoder, plan.augment)
    states = FrozenStates(
        prepared.split, reader, prepared.clips, window=head.frame_average, context=plan.context
    )  # fmt: skip
    tasks = [(seed, fold) for seed in range(plan.seeds) for fold in prepared.folds]
    done = []
    with open_work(work, prepared.recipe()) as opened:
        for seed, fold in track_progress(tasks, desc="folds", unit="fold", leave=False):
            n_classes = len(prepared.classes)
            rows = {"val_logits": (len(fold.val), n_classes), "test_logits": (len(fold.test), n_classes)}
            result = opened.result(seed, fold.number, rows)
            if result is None:
                training = FoldTraining(plan, network, states, prepared.y, n_classes, fold, seed)
                result = _train(training, opened, seed)
            done.append(TrainedFold(seed, fold, result))
    return fitted_of(prepared, done)


def _train(training: FoldTraining, work: Work, seed: int) -> FoldResult:
    number, epochs = training.fold.number, training.plan.epochs
    progress = work.progress(seed, number)
    if progress is None or not training.go_on(progress):
        training.begin()
    with ProgressBar(
        total=epochs * training.n_steps, initial=training.epochs_done * training.n_steps, desc=f"fold {number}",
        unit="step", leave=False,
    ) as bar:  # fmt: skip
        while training.epochs_done < epochs:
            training.train_epoch(bar.update)
            # After each epoch: a process that is killed loses one epoch at most.
            work.save_progress(seed, number, training.progress())
            bar.annotate(f"epoch {training.epochs_done} of {epochs}")
    result = training.result()
    work.save_result(seed, number, result, weights=training.plan.keep_weights)
    return result
