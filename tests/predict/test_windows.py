"""Windows over a recording."""

import math
from itertools import pairwise

import pytest

from ravfeat.errors import UsageError
from ravfeat.predict.windows import Windowing


@pytest.mark.parametrize("duration_s", [0.02, 1.0, 3.7, 3.75, 4.2, 7.5, 9.26, 61.3])
@pytest.mark.parametrize("hop_s", [None, 0.5, 3.7])
def test_windows_cover_a_recording_without_gaps(duration_s: float, hop_s: float | None) -> None:
    windows = Windowing(3.7, hop_s).of(duration_s)
    assert windows[0][0] == 0
    assert math.isclose(windows[-1][1], duration_s)
    for (start, end), (next_start, next_end) in pairwise(windows):
        assert start < next_start <= end + 1e-9
        assert end < next_end


def test_windows_have_the_length_asked_for_and_a_little_more_is_no_window_of_its_own() -> None:
    assert [end - start for start, end in Windowing(4.0).of(20.0)] == [4.0] * 9
    assert Windowing(4.0).of(4.4) == ((0.0, 4.4),)
    assert Windowing(4.0).of(8.1) == ((0.0, 4.0), (2.0, 6.0), (pytest.approx(4.1), pytest.approx(8.1)))


def test_without_windows_a_recording_is_whole() -> None:
    assert Windowing().of(61.0) == ((0.0, 61.0),)


@pytest.mark.parametrize(
    ("window_s", "hop_s", "match"),
    [
        (0.05, None, "window of 0.05 s: expected at least 0.1 s"),
        (math.nan, None, "window of nan s"),
        (math.inf, None, "window of inf s"),
        (4.0, 0.0, "hop of 0 s: expected at least 0.1 s"),
        (4.0, 5.0, "a hop of 5 s is longer than the window of 4 s"),
        (None, 1.0, "a hop of 1 s goes with windows"),
    ],
)
def test_windows_that_leave_something_out_or_never_end_are_refused(window_s, hop_s, match) -> None:
    with pytest.raises(UsageError, match=match):
        Windowing(window_s, hop_s)
