"""When pictures are shown: rising times out of whatever timestamps a file has, and which of them to take."""

from dataclasses import dataclass, field
from fractions import Fraction

__all__ = ["Grid", "PictureClock"]

_STEP_S = 1e-6
"""Less is no later, but rounding."""

_ROUNDING_S = 0.001
"""Matroska rounds its times to milliseconds."""


@dataclass
class PictureClock:
    """Turns timestamps into seconds from the clip's start that rise strictly.

    Parameters
    ----------
    period_s : float
        Usual distance of two pictures, where the file does not say.
    start_s : float, optional
        Where the container starts; by default, and where it is later than that, at the first picture.

    Attributes
    ----------
    first_stamp_s : float
        Timestamp of the first picture, as the file has it.
    first_s, end_s : float
        Time of the first picture, and when the last one has been shown.
    """

    period_s: float
    start_s: float | None = None
    first_stamp_s: float = field(default=0.0, init=False)
    first_s: float = field(default=0.0, init=False)
    end_s: float = field(default=0.0, init=False)
    _last_s: float | None = field(default=None, init=False)
    _shift_s: float = field(default=0.0, init=False)

    def time_of(self, stamp_s: float | None, duration_s: float = 0.0) -> float:
        """Give the time of the next picture in seconds.

        A picture without a timestamp follows its predecessor after one period. One whose timestamp
        lies less than a period back comes an eighth of a period after its predecessor; one that
        lies further back starts a new stretch (joined recordings), which follows after one period.

        Parameters
        ----------
        stamp_s : float, optional
            Timestamp of the file in seconds.
        duration_s : float
            How long it is shown; 0 where the file does not say.
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
        if time_s > last_s - self.period_s:
            return last_s + self.period_s / 8
        self._shift_s += last_s + self.period_s - time_s
        return last_s + self.period_s


class Grid:
    """Takes at most so many pictures a second.

    A picture is taken when its time has reached the next point k / rate, k = 0, 1, …; no picture
    stands for two points.
    """

    def __init__(self, rate_hz: float) -> None:
        self._rate = Fraction(rate_hz)
        self._next = 0

    def takes(self, time_s: float) -> bool:
        """Say whether to take the picture at this time; times must rise."""
        passed = int((Fraction(time_s) + Fraction(_ROUNDING_S)) * self._rate)  # exact, also after hours
        if passed < self._next:
            return False
        self._next = passed + 1
        return True
