"""Permutation test of the pipeline: with shuffled labels nothing may be learned.

Labels are shuffled among performances (all clips of one keep one label), and the baseline is trained and tested on
the run's own folds. Who guesses has a UAR of 1 / K; more than that can only come from clips that are on two sides.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat import metrics
from ravfeat.audit.baseline import Baseline, Rows
from ravfeat.audit.verdicts import Line, leak, pass_

__all__ = ["PERMUTATIONS", "check_permuted"]

_CHECK = "labels permuted"
PERMUTATIONS = 5

_SIGMAS = 3.3
"""One honest run in two thousand lies above."""


def check_permuted(baseline: Baseline, subject: str) -> list[Line]:
    """Train the baseline on permuted labels; see the top of this file."""
    folds = baseline.system.folds
    tests = [fold.test for fold in folds]
    k = len(baseline.system.clips.classes)
    names = np.array([record.performance_id for record in baseline.system.clips.records], object)
    values, errors = [], []
    for seed in range(PERMUTATIONS):
        y = _shuffled(baseline, seed)
        logits = baseline.logits(baseline.training_rows(folds), tests, y=y)
        rows = np.sort(np.concatenate(tests))
        decided = logits[rows].argmax(-1)
        values.append(metrics.uar(y[rows], decided))
        errors.append(_standard_error(y[rows], decided, k, names[rows]))
    mean = float(np.mean(values))
    bound = 1 / k + _SIGMAS * float(np.sqrt(np.mean(np.square(errors)) / PERMUTATIONS))
    evidence = {"uar": values, "mean": mean, "chance": 1 / k, "bound": bound}
    span = f"{min(values):.3f} to {max(values):.3f}"
    scores = f"UAR {mean:.3f} over {PERMUTATIONS} permutations ({span}); chance is {1 / k:.3f}"
    if mean > bound:
        return [
            leak(_CHECK, subject, f"{scores}, and guessing stays below {bound:.3f}: clips are on two sides", **evidence)
        ]
    return [pass_(_CHECK, subject, f"{scores}, guessing stays below {bound:.3f}", **evidence)]


def _shuffled(baseline: Baseline, seed: int) -> Rows:
    records = baseline.system.clips.records
    names = sorted({record.performance_id for record in records})
    labels = {record.performance_id: k for record, k in zip(records, baseline.system.clips.y.tolist(), strict=True)}
    # Labels move between performances, not clips: clips of one performance would tell each other's label.
    permuted = np.random.default_rng(seed).permutation([labels[name] for name in names])
    label_of = dict(zip(names, permuted.tolist(), strict=True))
    return np.array([label_of[record.performance_id] for record in records], np.int64)


def _standard_error(y: NDArray[np.int64], decided: NDArray[np.int64], k: int, names: NDArray[Any]) -> float:
    """Give the standard error of the UAR of a guess: binomial in every class, whichever classes the head prefers.

    Clips of one performance share their label and look alike, so that a guess is right for all of them or for none:
    the draws are performances, and `_effective_draws` counts them.
    """
    present = [label for label in range(k) if (y == label).any()]
    parts = []
    for label in present:
        p = float((decided == label).mean())
        parts.append(p * (1 - p) / _effective_draws(names[y == label]))
    return float(np.sqrt(sum(parts))) / len(present)


def _effective_draws(names: NDArray[Any]) -> float:
    """Give the effective number of performances: fewer than there are where some have more clips than others."""
    _, sizes = np.unique(names.astype(str), return_counts=True)
    return float(sizes.sum()) ** 2 / float(np.square(sizes).sum())
