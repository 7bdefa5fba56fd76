"""Every fold of every system at its temperature."""

from dataclasses import replace

import numpy as np
import pytest

from ravfeat import metrics
from ravfeat.calibrate import Temperature, calibrate, calibration_record, fit_temperature
from ravfeat.errors import PredictionsError
from ravfeat.predictions import System, evidence_of
from tests.toyscores import changed, scores, two_streams

VOICE, FACE = System("audio", "voice", "logreg"), System("face", "face", "logreg")


def test_every_fold_has_the_temperature_of_its_own_val_rows() -> None:
    predictions = two_streams()
    found = calibrate(predictions, VOICE)
    for one, own in zip(evidence_of(predictions, VOICE), found.folds, strict=True):
        expected = Temperature().fit(one.learn.log_probs, one.learn.y)
        assert own.temperature.temperature_ == expected.temperature_
        rows = found.test.folds == one.fold
        np.testing.assert_array_equal(found.test.log_probs[rows], expected.transform(one.read.log_probs))
    np.testing.assert_array_equal(found.test.uncalibrated, predictions.seed_averaged(VOICE).probs)


@pytest.mark.parametrize("val", ["actors", "nested", "none"])
def test_who_is_too_sure_is_cooled_and_who_is_not_sure_enough_is_sharpened(val) -> None:
    predictions = two_streams(val=val, takes=48)
    for system, above in ((VOICE, True), (FACE, False)):
        found = calibrate(predictions, system)
        assert all((one.temperature.temperature_ > 1) is above for one in found.folds)
        y = found.test.y
        assert metrics.nll(y, found.test.probs) < metrics.nll(y, found.test.uncalibrated)
        assert metrics.ece(y, found.test.probs) < metrics.ece(y, found.test.uncalibrated)
        np.testing.assert_array_equal(metrics.decide(found.test.probs), metrics.decide(found.test.uncalibrated))


@pytest.mark.parametrize("val", ["actors", "nested", "none"])
def test_what_test_rows_say_and_are_called_changes_no_temperature_of_their_fold(val) -> None:
    predictions = scores(val=val)
    table = predictions.table
    tested = np.array(table["fold"]) == 1
    if val != "none":
        tested &= np.array(table["split"].to_pylist()) == "test"
    logits = np.where(tested[:, None], -9 * predictions.logits(), predictions.logits())
    before, after = (calibrate(one, VOICE).folds for one in (predictions, changed(predictions, logits=logits)))
    assert before[1].temperature.temperature_ == after[1].temperature.temperature_
    if val == "none":
        assert before[2].temperature.temperature_ != after[2].temperature.temperature_


def test_test_rows_are_refused() -> None:
    with pytest.raises(PredictionsError, match="are learned from val rows, got 24 test rows"):
        fit_temperature(evidence_of(scores(), VOICE)[0].read)


def test_the_record_names_system_fold_temperature_bound_split_and_n() -> None:
    records = calibration_record(two_streams())
    assert len(records) == 2 * 4
    assert list(records[0]) == [
        "stream",
        "features",
        "head",
        "fold",
        "temperature",
        "at_bound",
        "split",
        "n",
        "protocol",
        "leaky",
        "select",
    ]
    assert {(one["split"], one["n"], one["at_bound"]) for one in records} == {("val", 24, "")}


def test_a_system_that_is_always_right_is_at_the_lower_bound_and_says_so() -> None:
    predictions = scores(skill=60.0)
    assert {one["at_bound"] for one in calibration_record(predictions)} == {"lower"}
    assert metrics.nll((found := calibrate(predictions, VOICE).test).y, found.probs) < 1e-9


def test_calibrated_rows_keep_what_was_said_when_some_are_taken() -> None:
    whole = calibrate(two_streams(), VOICE).test
    some = whole.rows(whole.folds == 2)
    np.testing.assert_array_equal(some.uncalibrated, whole.uncalibrated[whole.folds == 2])
    assert replace(some, uncalibrated_log_probs=None).uncalibrated is not some.uncalibrated
