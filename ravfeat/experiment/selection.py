"""Who chooses: a protocol's validation rows, or inner folds over all non-test rows.

Neither function is given a chance to look at a test row: what they hand to a head are training
and validation rows only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ravfeat.features.clips import ClipFeatures
from ravfeat.features.training_rows import TrainingRows
from ravfeat.heads.base import ChoosesInTraining, Head, Job, Model
from ravfeat.protocols.folds import Fold

__all__ = ["InnerFolds", "TrainedHead", "by_validation", "nested"]

Rows = NDArray[np.int64]
InnerFolds = Mapping[int, Sequence[tuple[Rows, Rows]]]
"""(train, val) of every inner fold, by the number of the outer fold."""


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
        Said by a model that did not learn from the row.
    """

    fold: Fold
    seed: int
    model: Model
    val_rows: Rows
    val_logits: NDArray[np.float32]


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
        Views of the N clips that the features hold after them; they train beside their clips.
    """
    rows = rows or TrainingRows.of(len(y))
    every = rows.spread(y)
    jobs = [_job(rows, fold.train, fold.val, seed, fold) for fold, seed in tasks]
    if isinstance(head, ChoosesInTraining):
        models = head.fit_chosen(features, every, n_classes, jobs)
    else:
        sweeps = head.sweep(features, every, n_classes, jobs)
        picks = [head.choose([sweep], [y[job.val]]) for sweep, job in zip(sweeps, jobs, strict=True)]
        chosen = [sweep.candidates[pick] for sweep, pick in zip(sweeps, picks, strict=True)]
        models = head.fit(features, every, n_classes, jobs, chosen)
    return [
        TrainedHead(fold, seed, model, fold.val, model.logits(features, fold.val))
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
    every = rows.spread(y)
    jobs = [[_job(rows, train, val, seed, fold) for train, val in inner[fold.number]] for fold, seed in tasks]
    sweeps = iter(head.sweep(features, every, n_classes, [job for own in jobs for job in own]))
    chosen, outside = [], []
    for own in jobs:
        mine = [next(sweeps) for _ in own]
        pick = head.choose(mine, [y[job.val] for job in own])
        chosen.append(mine[0].candidates[pick])
        # Every non-test clip was left out once: its row is what a head says that never saw its actor.
        left_out = np.concatenate([job.val for job in own])
        logits = np.concatenate([sweep.logits[pick] for sweep in mine])
        order = np.argsort(left_out)
        outside.append((left_out[order], logits[order]))
    nobody = np.zeros(0, dtype=np.int64)
    finals = [_job(rows, clips, nobody, seed, fold) for (clips, _), (fold, seed) in zip(outside, tasks, strict=True)]
    models = head.fit(features, every, n_classes, finals, chosen)
    return [
        TrainedHead(fold, seed, model, clips, logits)
        for (fold, seed), model, (clips, logits) in zip(tasks, models, outside, strict=True)
    ]


def _job(rows: TrainingRows, train: Rows, val: Rows, seed: int, fold: Fold) -> Job:
    extended = rows.extend(train, (val, fold.test))
    return Job(extended, val, seed, rows.clips_of(extended))
