"""Compute strictly rising picture times from a video's timestamps, and select pictures at a maximal rate."""

from dataclasses import dataclass, field
from fractions import Fraction

__all__ = ["Grid", "PictureClock"]

_STEP_S = 1e-6
"""Smaller differences of timestamps are rounding errors."""

_ROUNDING_S = 0.001
"""Tolerance of the grid: Matroska rounds timestamps to milliseconds."""


@dataclass
class PictureClock:
    """Converts timestamps to strictly rising seconds from the clip's start.

    Parameters
    ----------
    period_s : float
        Nominal distance of two pictures, used where timestamps are missing.
    start_s : float, optional
        Start of the container; by default, and if it is later, the first picture's timestamp.

    Attributes
    ----------
    first_stamp_s : float
        Timestamp of the first picture in the file.
    first_s, end_s : float
        Time of the first picture, and end of the last one.
    """

    period_s: float
    start_s: float | None = None
    first_stamp_s: float = field(default=0.0, init=False)
    first_s: float = field(default=0.0, init=False)
    end_s: float = field(default=0.0, init=False)
    _last_s: float | None = field(default=None, init=False)
    _shift_s: float = field(default=0.0, init=False)

    def time_of(self, stamp_s: float | None, duration_s: float = 0.0) -> float:
        """Return the time of the next picture in seconds.

        A picture without a timestamp follows its predecessor after one period. One whose timestamp
        is less than a period before its predecessor comes an eighth of a period after it; one that is
        further back starts a new segment (concatenated recordings), which follows after one period.

        Parameters
        ----------
        stamp_s : float, optional
            Timestamp of the file in seconds.
        duration_s : float
            Display duration; 0 where the file has none.
        """
        shown_s = duration_s if duration_s > 0 else self.period_s
        if self._last_s is None:
            time_s = self._begin(stamp_s)
        elif stamp_s is None:
            time_s = self._last_s + self.period_s
        else:
            time_s = self._after(stamp_s, self._last_s)
        self._last_s = time_s
        self.end_s = max(self.end_s, time_s + shown_s)
        return time_s

    def _begin(self, stamp_s: float | None) -> float:
        self.first_stamp_s = 0.0 if stamp_s is None else stamp_s
        start_s = self.first_stamp_s if self.start_s is None else min(self.start_s, self.first_stamp_s)
        self._shift_s = -start_s
        self.first_s = self.first_stamp_s - start_s
        return self.first_s

    def _after(self, stamp_s: float, last_s: float) -> float:
        time_s = stamp_s + self._shift_s
        if time_s > last_s + _STEP_S:
            return time_s
        # Jitter: keep the order, and stay close, since the next stamp may be right.
        if time_s > last_s - self.period_s:
            return last_s + self.period_s / 8
        # Another recording begins: all later stamps move with this one.
        self._shift_s += last_s + self.period_s - time_s
        return last_s + self.period_s


class Grid:
    """Selects at most ``rate_hz`` pictures per second.

    A picture is selected when its time has reached the next grid point k / rate, k = 0, 1, …; no picture
    is selected twice.
    """

    def __init__(self, rate_hz: float) -> None:
        self._rate = Fraction(rate_hz)
        self._next = 0

    def takes(self, time_s: float) -> bool:
        """Whether to select the picture at this time; times must rise."""
        passed = int((Fraction(time_s) + Fraction(_ROUNDING_S)) * self._rate)  # exact, also after hours
        if passed < self._next:
            return False
        self._next = passed + 1
        return True
