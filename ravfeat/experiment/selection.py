"""Model selection: choose settings on a protocol's validation rows, or by nested cross-validation.

Neither way is given a chance to look at a test row: what it hands to a head are training and validation rows only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ravfeat.experiment.systems import CacheSystem
from ravfeat.features.clips import ClipFeatures
from ravfeat.features.training_rows import TrainingRows
from ravfeat.heads.base import ChoosesInTraining, Head, Job, Model, Sweep
from ravfeat.protocols.folds import Fold, check_inner, inner_folds
from ravfeat.protocols.named import Protocol

__all__ = ["InnerFolds", "TrainedHead", "averaged", "by_validation", "inner_folds_of", "job_of", "nested"]

Rows = NDArray[np.int64]
InnerFolds = Mapping[int, Sequence[tuple[Rows, Rows]]]
"""(train, val) rows of every inner fold, by the number of the outer fold."""


@dataclass(frozen=True)
class TrainedHead:
    """One trained head and its validation rows.

    Attributes
    ----------
    fold : Fold
    seed : int
    model : Model
    val_rows : ndarray of int64
        Sorted.
    val_logits : ndarray of shape (len(val_rows), K), float32
        Out-of-fold: the model that gave a row its logits was not trained on it.
    """

    fold: Fold
    seed: int
    model: Model
    val_rows: Rows
    val_logits: NDArray[np.float32]


def inner_folds_of(system: CacheSystem, protocol: Protocol, folds: Sequence[Fold]) -> InnerFolds:
    """Make the inner folds that choose within each fold, and check them in every cache of the system.

    Raises
    ------
    LeakError, ProtocolError
        Where they do not hold.
    """
    inner = {fold.number: inner_folds(protocol, fold, system.clips.records) for fold in folds}
    for cache, clip_ids in zip(system.caches[1:], system.clip_ids[1:], strict=True):
        stored = cache.records(clip_ids)  # one recording may be under two actors in one of the caches only
        records = [stored[clip_id] for clip_id in clip_ids]
        for fold in folds:
            check_inner(protocol, fold, inner[fold.number], records)
    return inner


def by_validation(
    head: Head,
    features: ClipFeatures,
    y: Rows,
    n_classes: int,
    tasks: Sequence[tuple[Fold, int]],
    rows: TrainingRows | None = None,
) -> list[TrainedHead]:
    """Choose on the validation rows of every fold, train on its training rows.

    Parameters
    ----------
    head : Head
    features : ClipFeatures
    y : ndarray of shape (N,), int64
    n_classes : int
    tasks : sequence of (Fold, seed)
    rows : TrainingRows, optional
        Views of the N clips that the features hold after them; they train beside their clips, and the scores of a
        validation clip may be the mean over its own.
    """
    rows = rows or TrainingRows.of(len(y))
    labels = rows.spread(y)
    jobs = [job_of(rows, fold.train, fold.val, seed, fold) for fold, seed in tasks]
    if isinstance(head, ChoosesInTraining):
        models = head.fit_chosen(features, labels, n_classes, jobs)
    else:
        vals = [fold.val for fold, _ in tasks]
        sweeps = averaged(head.sweep(features, labels, n_classes, jobs), rows, vals)
        picks = [head.choose([sweep], [y[val]]) for sweep, val in zip(sweeps, vals, strict=True)]
        chosen = [sweep.candidates[pick] for sweep, pick in zip(sweeps, picks, strict=True)]
        models = head.fit(features, labels, n_classes, jobs, chosen)
    return [
        TrainedHead(fold, seed, model, fold.val, rows.logits(model, features, fold.val))
        for (fold, seed), model in zip(tasks, models, strict=True)
    ]


def nested(
    head: Head,
    features: ClipFeatures,
    y: Rows,
    n_classes: int,
    tasks: Sequence[tuple[Fold, int]],
    inner: InnerFolds,
    rows: TrainingRows | None = None,
) -> list[TrainedHead]:
    """Choose on inner folds, train on all non-test rows; validation rows are those of the inner folds.

    Parameters
    ----------
    head, features, y, n_classes, tasks, rows
        As for `by_validation`.
    inner : mapping of int to sequence of (train, val)
    """
    rows = rows or TrainingRows.of(len(y))
    labels = rows.spread(y)
    jobs = [job_of(rows, train, val, seed, fold) for fold, seed in tasks for train, val in inner[fold.number]]
    vals_of_tasks = [[val for _, val in inner[fold.number]] for fold, _ in tasks]
    # One call for the inner folds of all tasks, so that a head can train them side by side.
    swept = head.sweep(features, labels, n_classes, jobs)
    sweeps = iter(averaged(swept, rows, [val for vals in vals_of_tasks for val in vals]))
    chosen, out_of_fold = [], []
    for vals in vals_of_tasks:
        sweeps_of_task = [next(sweeps) for _ in vals]
        pick = head.choose(sweeps_of_task, [y[val] for val in vals])
        chosen.append(sweeps_of_task[0].candidates[pick])
        # Every non-test clip is in one inner validation set: its logits are of a head that never met its actor.
        val_rows = np.concatenate(vals)
        logits = np.concatenate([sweep.logits[pick] for sweep in sweeps_of_task])
        # Sorted, so that the table does not depend on how inner folds were dealt.
        order = np.argsort(val_rows)
        out_of_fold.append((val_rows[order], logits[order]))
    no_rows = np.zeros(0, dtype=np.int64)
    # Nothing is left to choose: the final fit has no validation rows, and trains on all but the test rows.
    finals = [
        job_of(rows, train, no_rows, seed, fold) for (train, _), (fold, seed) in zip(out_of_fold, tasks, strict=True)
    ]
    models = head.fit(features, labels, n_classes, finals, chosen)
    return [
        TrainedHead(fold, seed, model, val_rows, logits)
        for (fold, seed), model, (val_rows, logits) in zip(tasks, models, out_of_fold, strict=True)
    ]


def job_of(rows: TrainingRows, train: Rows, val: Rows, seed: int, fold: Fold) -> Job:
    """Make the job of training on clips and their views, and scoring validation clips.

    Raises
    ------
    LeakError
        Where a clip that trains, or a view, is held out by this fold; see `TrainingRows.extend`.
    """
    # A view of a held-out clip is held out with it.
    extended = rows.extend(train, (val, fold.test))
    return Job(extended, rows.scored(val), seed, rows.clips_of(extended))


def averaged(sweeps: Sequence[Sweep], rows: TrainingRows, vals: Sequence[Rows]) -> list[Sweep]:
    """Give sweeps the scores of their validation clips, as the rows say; `vals` are those clips."""
    return [replace(sweep, logits=rows.mean_scores(sweep.logits, val)) for sweep, val in zip(sweeps, vals, strict=True)]
