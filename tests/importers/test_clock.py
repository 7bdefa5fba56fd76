"""When rows were seen."""

import numpy as np
import pytest

from ravfeat.errors import UsageError
from ravfeat.importers.base import ImportedClip, Rows
from ravfeat.importers.clock import set_clock

CLIP = ImportedClip("a", "f.npz", 0, 3, 12.5)
ROWS = Rows(np.zeros((3, 2)), {"frame": np.array([4.0, 6, 5]), "time_s": np.array([0.1, 0.3, 0.2])})


@pytest.mark.parametrize(
    ("timed", "fps", "default", "frames", "times_s", "rate_hz", "step"),
    [
        ("frames", None, 29.97, True, np.array([4, 6, 5]) / 29.97, 29.97, "times: frame number / 29.97 Hz/1"),
        ("rows", 25, 29.97, False, np.arange(3) / 25, 25, "times: row number / 25 Hz/1"),
        ("times", None, 29.97, True, [0.1, 0.3, 0.2], 12.5, "times as in the file/1"),
        ("times", 10, None, True, [0.4, 0.6, 0.5], 10, "times: frame number / 10 Hz/1"),
        ("clip", None, None, False, [0, 1, 2], 1, "times: one row per clip at 0 s/1"),
    ],
)
def test_each_rule_has_its_times_and_its_name(timed, fps, default, frames, times_s, rate_hz, step) -> None:
    clock = set_clock(timed, fps, default, frames=frames)
    np.testing.assert_allclose(clock.times_s(ROWS), times_s)
    assert clock.rate_hz(CLIP) == rate_hz
    assert clock.step == step


@pytest.mark.parametrize("frames", [True, False])
def test_rates_that_give_other_times_have_other_names(frames) -> None:
    rates_hz = (29.97, 30000 / 1001, 29.970001, 30.0)
    steps = [set_clock("rows", fps, None, frames=frames).step for fps in rates_hz]
    assert [step.split("/")[1] for step in steps] == [" 29.97 Hz", " 29.97003 Hz", " 29.970001 Hz", " 30 Hz"]


def test_rows_are_put_in_the_order_of_frames_then_of_times() -> None:
    clock = set_clock("frames", 10, None, frames=True)
    assert clock.order(ROWS).tolist() == [0, 2, 1]
    assert clock.order(Rows(ROWS.values, {"time_s": np.array([3.0, 2, 1])})).tolist() == [2, 1, 0]
    assert clock.order(Rows(ROWS.values)).tolist() == [0, 1, 2]


def test_a_rate_that_nobody_knows_is_asked_for() -> None:
    with pytest.raises(UsageError, match="several rows per clip and no times: say with --fps"):
        set_clock("rows", None, None, frames=False)
    with pytest.raises(UsageError, match=r"--fps 0: expected a number above 0"):
        set_clock("rows", 0, None, frames=False)
    with pytest.raises(UsageError, match=r"--fps nan"):
        set_clock("rows", float("nan"), None, frames=False)
