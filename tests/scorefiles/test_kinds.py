"""Logits or probabilities."""

from pathlib import Path

import numpy as np
import pytest

from ravfeat.errors import PredictionsError
from ravfeat.numerics.softmax import softmax
from ravfeat.scorefiles.columns import ScoreTable
from ravfeat.scorefiles.kinds import ZERO, kind_of, logits_of


def cells(*rows) -> ScoreTable:
    values = np.array(rows, dtype=np.float64)
    names = tuple(f"clip{number}" for number in range(len(rows)))
    return ScoreTable(Path("a.csv"), {"name": names}, tuple("xyz"[: values.shape[1]]), values)


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        ([(0.5, 0.5), (1.0, 0.0)], "probabilities"),
        ([(0.33, 0.33, 0.33), (0.34, 0.34, 0.33)], "probabilities"),
        ([(1.0000001, 0.0), (0.5, 0.5)], "probabilities"),
        ([(1.7, 0.5), (1.2, -0.2)], "logits"),
        ([(0.12,) * 8, (0.13,) * 8], "probabilities"),  # two digits of eight classes may be off by 0.04
        ([(-0.1, -2.4), (-0.2, -1.7)], "logits"),  # log-probabilities
        ([(2.0, 2.0), (2.0, 2.0)], "logits"),
    ],
)
def test_a_whole_file_is_one_or_the_other(rows, kind) -> None:
    assert kind_of(cells(*rows)) == kind


def test_what_lies_between_0_and_1_and_does_not_sum_to_1_is_refused_by_its_worst_row() -> None:
    message = (
        r"a\.csv, row 3 \(clip2\): the scores sum to 0\.8000\. All scores of the file lie between 0 and 1, as"
        r" probabilities do, but 2 of 4 rows do not sum to 1 within 0\.01"
    )
    with pytest.raises(PredictionsError, match=message):
        kind_of(cells((0.5, 0.5), (0.5, 0.52), (0.5, 0.3), (0.5, 0.509)))


def test_a_file_of_both_kinds_is_refused_with_a_row_of_each() -> None:
    message = r"row 3 \(clip2\): scores outside 0 to 1, .* 2 of 3 rows are probabilities .* such as row 1 \(clip0\)"
    with pytest.raises(PredictionsError, match=message):
        kind_of(cells((0.5, 0.5), (0.2, 0.8), (1.2, -0.2)))


def test_percentages_are_refused() -> None:
    with pytest.raises(PredictionsError, match=r"a\.csv: every row sums to 100, as percentages do; divide them by 100"):
        kind_of(cells((30.0, 70.0), (99.5, 0.0)))


def test_a_zero_of_rounded_probabilities_is_half_of_the_last_digit() -> None:
    logits = logits_of("probabilities", np.array([[0.97, 0.03, 0.0], [1.0, 0.0, 0.0]]))
    np.testing.assert_allclose(np.exp(logits[:, 2]), 0.005)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39])
def test_what_is_not_finite_is_refused_with_clip_and_count(value) -> None:
    message = r"a\.csv, row 2 \(clip1\): NaN, Inf or a number beyond float32 among the scores \(2 such rows\)"
    with pytest.raises(PredictionsError, match=message):
        kind_of(cells((0.5, 0.5), (value, 0.5), (0.5, value)))


def test_logits_stay_as_they_are() -> None:
    values = np.array([[5.0, -1.0]])
    assert logits_of("logits", values) is values


def test_probabilities_are_brought_to_a_sum_of_1_and_become_their_logarithms() -> None:
    logits = logits_of("probabilities", np.array([[0.2, 0.79], [1 / 3, 2 / 3]]))
    np.testing.assert_allclose(np.exp(logits), [[0.2 / 0.99, 0.79 / 0.99], [1 / 3, 2 / 3]], rtol=1e-15)


def test_a_zero_is_nearly_impossible_and_never_more_probable_than_what_is_not_zero() -> None:
    logits = logits_of(
        "probabilities", np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 1e-30], [1.0, -1e-9, 0.0], [1 / 3, 1 / 3, 1 / 3]])
    )
    np.testing.assert_allclose(logits[0], [0, np.log(ZERO), np.log(ZERO)])
    np.testing.assert_allclose(logits[1], np.log([1, 1e-30, 1e-30]), rtol=1e-12)
    assert np.isfinite(logits).all()


def test_sure_systems_keep_what_they_said() -> None:
    logits = np.array([[80.0, 0.0, -30.0], [0.0, 1.0, 2.0]])
    again = logits_of("probabilities", softmax(logits))
    np.testing.assert_allclose(again - again[:, :1], logits - logits[:, :1], atol=1e-12)


def test_no_row_changes_another() -> None:
    one = logits_of("probabilities", np.array([[1.0, 0.0], [1.0, 1e-30]]))
    other = logits_of("probabilities", np.array([[1.0, 0.0], [0.5, 0.5]]))
    np.testing.assert_array_equal(one[0], other[0])
