"""Sentences about what was learned from a few rows: choices, temperatures, mixing weights.

Each takes all systems (or all fusions) and gives a sentence, or nothing where it does not apply.
"""

from collections.abc import Sequence

import numpy as np

from ravfeat.predictions import CROSSFIT
from ravfeat.report.fused import FusedRun
from ravfeat.report.graded import Graded

__all__ = ["bounds", "calibration", "crossfit", "fusion_floor", "selection_nested", "selection_val"]

_NAMED = 6


def selection_val(graded: Sequence[Graded]) -> str:
    """Say who chose, with select val, and how far their scores lean."""
    chosen = [entry for entry in graded if entry.select == "val" and not entry.leaky and entry.role == "single"]
    if not chosen:
        return ""
    val = [score for entry in chosen for score in entry.seed_scores("val", "uar")]
    test = [score for entry in chosen for score in entry.seed_scores("test", "uar")]
    measured = ""
    if val and test:
        measured = (
            f"; here single seeds average {np.mean(val):.3f} UAR on validation and {np.mean(test):.3f} on test rows"
        )
    return (
        "With select val the same few validation actors stop the training, choose the settings, and fit temperatures "
        f"and mixing weights. Their scores lean to the optimistic side{measured}. Choices made on so few people are "
        "noisy."
    )


def selection_nested(graded: Sequence[Graded]) -> str:
    """Say what select nested changes."""
    if not any(entry.select == "nested" and not entry.leaky for entry in graded):
        return ""
    return (
        "With select nested the final heads are trained on all actors that are not tested, more than select val may "
        "use; compare the two with that in mind. Their validation rows come from inner folds, from other models than "
        "the final ones, trained on fewer actors: temperatures and weights fit those."
    )


def crossfit(graded: Sequence[Graded]) -> str:
    """Say what cross-fitted rows share with the fold."""
    honest = [entry for entry in graded if not entry.leaky]
    if not any(fold.split == CROSSFIT for entry in honest for fold in entry.calibration.folds):
        return ""
    return (
        "Scores without validation rows were cross-fitted: what is applied to a fold was learned from other folds' "
        "test rows. No row of the fold's own actors was used, but the models behind those other rows had this fold's "
        "actors in training, so temperatures, weights and choices are not quite independent of the people they are "
        "tested on."
    )


def fusion_floor(fused: Sequence[FusedRun]) -> str:
    """Say where the fused system's floor holds, and what the test rows say."""
    honest = [fused_run for fused_run in fused if not fused_run.fused.leaky]
    if not honest:
        return ""
    gains = np.concatenate([fused_run.gains for fused_run in honest])
    below = int((gains < 0).sum())
    rows = " or ".join(dict.fromkeys(fused_run.rows for fused_run in honest))
    auto = all(fused_run.fusion.rule == "auto" for fused_run in honest)
    floor = (
        "That it is never below the best single system is guaranteed there only"
        if auto
        else "The rule was given, so not even there is it guaranteed to be no worse than the best single system"
    )
    return (
        f"The fused system's score on {rows} is that of the very rows its weights were learned from. {floor}; on test "
        f"rows the difference to the single system that was best there is {gains.min():+.3f} to {gains.max():+.3f} UAR "
        f"by fold, and below zero in {below} of {len(gains)} folds."
    )


def calibration(graded: Sequence[Graded]) -> str:
    """Say where temperatures come from."""
    folds = [fold for entry in graded for fold in entry.calibration.folds]
    fewest, most = min(fold.n for fold in folds), max(fold.n for fold in folds)
    rows = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    return (
        "NLL, Brier score and ECE are those of calibrated probabilities: one temperature per system and fold, learned "
        f"from {rows} rows that the fold does not test. With other people, rooms or recordings it would be another "
        "one; the numbers as the systems said them stand beside."
    )


def bounds(graded: Sequence[Graded]) -> str:
    """Name temperatures that nothing held back."""
    at_bound = [
        f"{entry.system} ({entry.protocol}), {fold.temperature.at_bound_} bound in fold {fold.fold}"
        for entry in graded
        for fold in entry.calibration.folds
        if fold.temperature.at_bound_
    ]
    if not at_bound:
        return ""
    more = f"; and {len(at_bound) - _NAMED} more" if len(at_bound) > _NAMED else ""
    return (
        f"Temperatures at a bound: {'; '.join(at_bound[:_NAMED])}{more}. At the lower one the right class was the most "
        "probable, where rows are almost separable, so nothing said how sure to be; at the upper one the scores said "
        "nothing about the labels. NLL, Brier score and ECE of these folds mean little."
    )
