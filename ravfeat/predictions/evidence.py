"""Validation, cross-fitted and test rows: which a fold may learn from, and which are only scored.

A temperature or a mixing weight of a fold is learned from the fold's ``val`` rows. Scores that come without
any are cross-fitted, the one use of test rows that is allowed: what is applied to a fold was learned from
the other folds' rows, without any row of the fold's actors (of a leaky protocol, whose folds share their
actors, from all rows of the other folds). What was mixed from such scores is not cross-fitted once more, since the
weights of the other folds know this fold: `ravfeat.fusion.fuse` gives it val rows of its own.
"""

from dataclasses import dataclass, replace

import numpy as np

from ravfeat.errors import PredictionsError
from ravfeat.predictions.average import SystemProbs
from ravfeat.predictions.columns import System
from ravfeat.predictions.table import Predictions

__all__ = ["CROSSFIT", "Evidence", "check_learnable", "evidence_of"]

CROSSFIT = "crossfit"
"""Split of rows that other folds tested, and selection of a table whose rows are used like that."""


@dataclass(frozen=True)
class Evidence:
    """One fold of one system, seeds averaged.

    Attributes
    ----------
    fold : int
    learn : SystemProbs
        Rows of split ``val``, or of other folds under the split ``crossfit``.
    read : SystemProbs
        Rows of split ``test``.
    """

    fold: int
    learn: SystemProbs
    read: SystemProbs


def evidence_of(predictions: Predictions, system: System) -> list[Evidence]:
    """Give the rows of every fold that is tested, by ascending fold.

    Raises
    ------
    PredictionsError
        The system is unknown or tests nothing; some folds have val rows and others have none; or none has,
        and a fold's actors are all there are.
    """
    read = predictions.seed_averaged(system)
    folds = np.unique(read.folds).tolist()
    if not predictions.has_split(system, "val"):
        return [
            Evidence(fold, _others(read, fold, system, predictions), read.rows(read.folds == fold)) for fold in folds
        ]
    val = predictions.seed_averaged(system, "val")
    # A mean over other seeds is surer or less sure, so its temperature would be another.
    if val.seeds != read.seeds:
        raise PredictionsError(
            f"{System(*system)} has val rows of the seeds {list(val.seeds)} and test rows of {list(read.seeds)}: what"
            " is learned from one would not suit the other; give the same seeds on both sides"
        )
    if lacking := [fold for fold in folds if fold not in val.folds]:
        raise PredictionsError(
            f"{System(*system)} has val rows in some folds and none in fold {lacking[0]}"
            f"{f' and {len(lacking) - 1} others' if lacking[1:] else ''}: give every fold its val rows, or none"
        )
    return [Evidence(fold, val.rows(val.folds == fold), read.rows(read.folds == fold)) for fold in folds]


def check_learnable(rows: SystemProbs) -> None:
    """Refuse to learn from what may only be read.

    Raises
    ------
    PredictionsError
        The rows are test rows.
    """
    if rows.split not in ("val", CROSSFIT):
        raise PredictionsError(
            f"temperatures and weights are learned from val rows, got {len(rows)} {rows.split} rows, the first of"
            f" clip {rows.clip_ids[0]}"
        )


def _others(read: SystemProbs, fold: int, system: System, predictions: Predictions) -> SystemProbs:
    tested = read.folds == fold
    # All rows of the fold's actors go, wherever they were tested. Of a leaky protocol that could leave nobody.
    others = ~tested if predictions.leaky else ~np.isin(read.actors, np.unique(read.actors[tested]))
    if not others.any():
        raise PredictionsError(
            f"{System(*system)} has no val rows, and no other fold tests other actors than fold {fold} does: a"
            " temperature has nothing to be learned from; give val rows, or more folds"
        )
    return replace(read.rows(others), split=CROSSFIT)
