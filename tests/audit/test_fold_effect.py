"""The audit's line on folds that share an effect."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ravfeat.audit.fold_effect import check_fold_effect
from ravfeat.audit.verdicts import Line
from ravfeat.predictions import Predictions, concatenate
from tests.toyscores import changed, scores


def lines(predictions: Predictions | None) -> list[Line]:
    context = SimpleNamespace(path=Path("run"), predictions=predictions, refusal="they cannot be read")
    return check_fold_effect(context)  # type: ignore[arg-type]


def spoilt(predictions: Predictions) -> Predictions:
    """Take from the heads of two folds what they know."""
    table = predictions.table
    logits = predictions.logits().copy()
    logits[np.isin(table["fold"].to_numpy(), [1, 4])] = [5.0, 0.0, 0.0, 0.0]
    return changed(predictions, logits=logits)


@pytest.fixture(scope="module")
def honest() -> Predictions:
    return scores(actors=24, folds=6, val="none")


def test_honest_folds_are_information_and_shared_effects_a_warning(honest) -> None:
    (line,) = lines(honest)
    assert line.verdict == "info"
    assert "no strong effect of folds is seen" in line.finding
    (warned,) = lines(spoilt(honest))
    assert warned.verdict == "warn"
    assert warned.finding.startswith("actors' UAR on 6 folds: F(5, 18) = ")
    assert warned.finding.endswith("the folds share an effect, so intervals over actors are too narrow")
    json.dumps(dict(warned.evidence), allow_nan=False)


def test_every_system_has_a_line_where_nothing_was_fused(honest) -> None:
    both = lines(concatenate([honest, scores(head="kernel", actors=24, folds=6, val="none")]))
    assert [line.subject for line in both] == ["audio / voice / kernel", "audio / voice / logreg"]


def test_what_cannot_be_told_is_said() -> None:
    (line,) = lines(scores(actors=6, folds=3))
    assert (line.verdict, line.finding[:37]) == ("info", "not told by fewer than 4 folds of two")
    (line,) = lines(None)
    assert (line.verdict, line.finding) == ("not possible", "they cannot be read")
