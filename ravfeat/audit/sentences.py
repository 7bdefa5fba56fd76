"""How much of a number is knowing the sentences.

RAVDESS has two, and both are in every training set. The cheap head learns on one of them and is tested, on new actors,
on the other one and on its own.
"""

import re

import numpy as np

from ravfeat.audit.baseline import Apart, Cheap
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


def check_sentences(cheap: Cheap, apart: Apart, subject: str) -> list[Line]:
    """Train on one sentence, test the other on new actors, and the other way round."""
    records = cheap.system.clips.records
    said = np.array([statement_of(one.performance_id) or "" for one in records], object)
    names = sorted(set(said.tolist()))
    if "" in names or len(names) != 2:
        return [
            not_possible(_CHECK, subject, "the names of the performances do not tell two sentences, as RAVDESS's do")
        ]
    folds = apart.folds
    teaching = cheap.teaching(folds)
    y, k = cheap.system.clips.y, len(cheap.system.clips.classes)
    scored = {}
    for same in (True, False):
        logits = np.full((len(y), k), np.nan, np.float32)
        for name in names:
            train = [rows[said[rows] == name] for rows in teaching]
            if any(len(np.unique(y[rows])) < len(np.unique(y)) for rows in train):
                return [not_possible(_CHECK, subject, f"sentence {name} is not said with every emotion in every fold")]
            tests = [fold.test[(said[fold.test] == name) == same] for fold in folds]
            own = cheap.say(train, tests)
            rows = np.concatenate(tests)
            logits[rows] = own[rows]
        scored[same] = cheap.probs(logits, [fold.test for fold in folds])
    found = paired_difference(scored[False], scored[True])
    line = warn if found.ci_high < 0 and found.value < -_LARGE else info
    return [
        line(
            _CHECK,
            subject,
            f"taught one sentence, the cheap head reads {found.value_a:.3f} on the other and {found.value_b:.3f} on the"
            f" same, new actors both: {found.value:+.3f} [{found.ci_low:+.3f}, {found.ci_high:+.3f}]",
            **vars(found),
        )
    ]
