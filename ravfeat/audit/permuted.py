"""Whether the pipeline still scores with labels that mean nothing.

Labels are shuffled among performances (all clips of one keep one label), and the cheap head is trained and tested on
the run's own folds. Who guesses has a UAR of 1 / K; more than that can only come from clips that are on two sides.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat import metrics
from ravfeat.audit.baseline import Cheap, Rows
from ravfeat.audit.verdicts import Line, leak, pass_

__all__ = ["PERMUTATIONS", "check_permuted"]

_CHECK = "labels permuted"
PERMUTATIONS = 5

_SIGMAS = 3.3
"""One honest run in two thousand lies above."""


def check_permuted(cheap: Cheap, subject: str) -> list[Line]:
    """Train the cheap head on permuted labels; see the head of this file."""
    folds = cheap.system.folds
    tests = [fold.test for fold in folds]
    k = len(cheap.system.clips.classes)
    names = np.array([one.performance_id for one in cheap.system.clips.records], object)
    values, errors = [], []
    for seed in range(PERMUTATIONS):
        y = _shuffled(cheap, seed)
        said = cheap.say(cheap.teaching(folds), tests, y=y)
        tested = np.sort(np.concatenate(tests))
        decided = said[tested].argmax(-1)
        values.append(metrics.uar(y[tested], decided))
        errors.append(_error(y[tested], decided, k, names[tested]))
    mean = float(np.mean(values))
    bound = 1 / k + _SIGMAS * float(np.sqrt(np.mean(np.square(errors)) / PERMUTATIONS))
    evidence = {"uar": values, "mean": mean, "chance": 1 / k, "bound": bound}
    span = f"{min(values):.3f} to {max(values):.3f}"
    what = f"UAR {mean:.3f} over {PERMUTATIONS} permutations ({span}); chance is {1 / k:.3f}"
    if mean > bound:
        return [
            leak(_CHECK, subject, f"{what}, and guessing stays below {bound:.3f}: clips are on two sides", **evidence)
        ]
    return [pass_(_CHECK, subject, f"{what}, guessing stays below {bound:.3f}", **evidence)]


def _shuffled(cheap: Cheap, seed: int) -> Rows:
    records = cheap.system.clips.records
    names = sorted({one.performance_id for one in records})
    first = {one.performance_id: int(k) for one, k in zip(records, cheap.system.clips.y.tolist(), strict=True)}
    drawn = np.random.default_rng(seed).permutation([first[name] for name in names])
    given = dict(zip(names, drawn.tolist(), strict=True))
    return np.array([given[one.performance_id] for one in records], np.int64)


def _error(y: NDArray[np.int64], decided: NDArray[np.int64], k: int, names: NDArray[Any]) -> float:
    """Give the standard error of the UAR of a guess: binomial in every class, whatever the guesser prefers.

    Clips of one performance share their label and look alike, so that a guess is right for all of them or for none:
    what is drawn is performances, and `_draws` says how many.
    """
    present = [label for label in range(k) if (y == label).any()]
    parts = []
    for label in present:
        p = float((decided == label).mean())
        parts.append(p * (1 - p) / _draws(names[y == label]))
    return float(np.sqrt(sum(parts))) / len(present)


def _draws(names: NDArray[Any]) -> float:
    """Give the effective number of performances: fewer than there are where some have more clips than others."""
    _, sizes = np.unique(names.astype(str), return_counts=True)
    return float(sizes.sum()) ** 2 / float(np.square(sizes).sum())
