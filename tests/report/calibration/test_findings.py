import numpy as np
import pytest

from ravfeat import metrics
from ravfeat.report.calibration.findings import reliability
from ravfeat.report.calibration.tables import reliability_table
from ravfeat.report.graded import Graded


def test_the_bins_give_the_expected_calibration_error_again(fused: list[Graded]) -> None:
    for entry in fused:
        for probs, metric in ((entry.probs.probs, "ece"), (entry.probs.uncalibrated, "ece_uncalibrated")):
            bins = reliability(entry.probs.y, probs)
            assert bins.ece == pytest.approx(metrics.ece(entry.probs.y, probs))
            assert bins.ece == pytest.approx(entry.records[metric, "pooled"]["value"])
            assert bins.n.sum() == len(entry.probs)


def test_bins_hold_equally_many_clips_from_the_least_sure_on(fused: list[Graded]) -> None:
    bins = reliability(fused[0].probs.y, fused[0].probs.probs)
    assert len(bins.n) == metrics.ECE_BINS
    assert np.ptp(bins.n) <= 1
    assert (np.diff(bins.confidence) > 0).all()


def test_equal_confidences_share_a_bin_and_empty_bins_are_left_out() -> None:
    probs = np.tile([0.75, 0.25], (40, 1))
    bins = reliability(np.arange(40) % 4 // 3, probs)  # three in four are right
    assert (bins.n.tolist(), bins.accuracy.tolist(), bins.ece) == ([40], [0.75], 0.0)


def test_the_table_has_the_bins_of_both_sides(fused: list[Graded]) -> None:
    table = reliability_table(fused[1])
    bins = reliability(fused[1].probs.y, fused[1].probs.uncalibrated)
    assert table.rows[0].cells[1:4] == (str(bins.n[0]), f"{bins.confidence[0]:.3f}", f"{bins.accuracy[0]:.3f}")
    assert fused[1].conditions in table.caption
