"""Rows that are copies, and rounded probabilities."""

import numpy as np
import pytest

from ravfeat.scorefiles.copied_rows import copied_rows, tied_rows


@pytest.mark.parametrize("classes", [3, 4, 8])
def test_scores_of_different_clips_are_hardly_ever_copies_and_copies_are(classes) -> None:
    rng = np.random.default_rng(0)
    rows = 3 * rng.normal(size=(600, classes))
    assert copied_rows(rows).mean() < 0.02
    copies = rows[:50] + 1e-7 * rng.normal(size=(50, classes))
    assert copied_rows(np.concatenate([rows, copies]))[600:].all()
    assert copied_rows(copies, rows).all()


def test_rounded_scores_have_ties_and_others_do_not() -> None:
    probs = np.random.default_rng(0).dirichlet(np.full(8, 0.3), 200)
    assert not tied_rows(np.log(probs)).any()
    for digits in (0, 1, 2, 3):
        assert tied_rows(np.log(np.maximum(np.round(probs, digits), 1e-12))).mean() > 0.2
