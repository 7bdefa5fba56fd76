"""Held-out sentence: how much of a number is knowing the sentences.

RAVDESS has two, and both are in every training set. The baseline is trained on one of them and tested, on new actors,
on the other one and on the same.
"""

import re

import numpy as np

from ravfeat.audit.baseline import Baseline, DisjointScores
from ravfeat.audit.verdicts import Line, info, not_possible, warn
from ravfeat.stats import paired_difference

__all__ = ["check_sentences", "statement_of"]

_CHECK = "held-out sentence"

_LARGE = 0.05
"""Loss of UAR that a number should not be quoted without."""

_PERFORMANCE = re.compile(r"\d\d-\d\d-\d\d-(\d\d)-\d\d-\d\d")
"""A RAVDESS stem without its modality: channel, emotion, strength, statement, repetition, actor."""


def statement_of(performance_id: str) -> str | None:
    """Give the sentence that is said in a RAVDESS performance; None for another corpus's name.

    Examples
    --------
    >>> statement_of("01-06-01-02-01-12")
    '02'
    """
    match = _PERFORMANCE.fullmatch(performance_id)
    return match[1] if match else None


def check_sentences(baseline: Baseline, disjoint: DisjointScores, subject: str) -> list[Line]:
    """Train on one sentence, test the other on new actors, and the other way round."""
    records = baseline.system.clips.records
    statements = np.array([statement_of(record.performance_id) or "" for record in records], object)
    names = sorted(set(statements.tolist()))
    if "" in names or len(names) != 2:
        return [
            not_possible(_CHECK, subject, "the names of the performances do not tell two sentences, as RAVDESS's do")
        ]
    folds = disjoint.folds
    training = baseline.training_rows(folds)
    y, k = baseline.system.clips.y, len(baseline.system.clips.classes)
    probs = {}
    for same in (True, False):
        logits = np.full((len(y), k), np.nan, np.float32)
        for name in names:
            train = [rows[statements[rows] == name] for rows in training]
            # An emotion that is missing from training would be missed on both sentences, for another reason.
            if any(len(np.unique(y[rows])) < len(np.unique(y)) for rows in train):
                return [not_possible(_CHECK, subject, f"sentence {name} is not said with every emotion in every fold")]
            tests = [fold.test[(statements[fold.test] == name) == same] for fold in folds]
            rows = np.concatenate(tests)
            logits[rows] = baseline.logits(train, tests)[rows]
        probs[same] = baseline.probs(logits, [fold.test for fold in folds])
    gap = paired_difference(probs[False], probs[True])
    line = warn if gap.ci_high < 0 and gap.value < -_LARGE else info
    return [
        line(
            _CHECK,
            subject,
            f"trained on one sentence, the baseline has a UAR of {gap.value_a:.3f} on the other and of"
            f" {gap.value_b:.3f} on the same, new actors both: {gap.value:+.3f}"
            f" [{gap.ci_low:+.3f}, {gap.ci_high:+.3f}]",
            **vars(gap),
        )
    ]
