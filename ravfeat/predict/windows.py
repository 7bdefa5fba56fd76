"""Divide a recording into windows of the length that a head has learned from.

A head that was trained on clips of three or four seconds names one emotion for each; of a longer recording it would
name one for the whole.
"""

import math
from dataclasses import dataclass

from ravfeat.errors import UsageError

__all__ = ["MIN_WINDOW_S", "Window", "Windowing"]

MIN_WINDOW_S = 0.1
"""Shorter windows hold no speech, and a hop near 0 would never end."""

_CLOSE = 0.25  # of a hop: what is left over by less than this gets no window of its own

Window = tuple[float, float]
"""Start and end, in seconds."""


@dataclass(frozen=True)
class Windowing:
    """How recordings are divided.

    Attributes
    ----------
    window_s : float or None
        Length of a window; None takes every recording whole.
    hop_s : float or None
        From start to start; None is half a window.

    Raises
    ------
    UsageError
        For lengths that are too short, a hop longer than the window, or a hop without windows.
    """

    window_s: float | None = None
    hop_s: float | None = None

    def __post_init__(self) -> None:
        if self.window_s is None:
            if self.hop_s is not None:
                raise UsageError(
                    f"a hop of {self.hop_s:g} s goes with windows; where files are taken whole there is none"
                )
            return
        for name, value in (("window", self.window_s), ("hop", self.hop_s)):
            if value is not None and not MIN_WINDOW_S <= value < math.inf:
                raise UsageError(f"{name} of {value:g} s: expected at least {MIN_WINDOW_S:g} s")
        if self.hop_s is not None and self.hop_s > self.window_s:
            raise UsageError(
                f"a hop of {self.hop_s:g} s is longer than the window of {self.window_s:g} s, and what lies between"
                " would not be heard; give a hop of at most the window"
            )

    def of(self, duration_s: float) -> tuple[Window, ...]:
        """Divide a recording; every moment of it is in some window, and the last window ends with the recording.

        Examples
        --------
        >>> Windowing(4.0).of(9.0)
        ((0.0, 4.0), (2.0, 6.0), (4.0, 8.0), (5.0, 9.0))
        >>> Windowing(4.0).of(3.0)
        ((0.0, 3.0),)
        """
        if self.window_s is None:
            return ((0.0, duration_s),)
        window_s, hop_s = self.window_s, self.hop_s or self.window_s / 2
        last_s = duration_s - window_s
        if last_s < _CLOSE * hop_s:
            return ((0.0, duration_s),)
        starts_s = [number * hop_s for number in range(math.ceil(last_s / hop_s))]
        # The last window takes the place of one that begins just before it, unless that left a gap.
        if last_s - starts_s[-1] < _CLOSE * hop_s and starts_s[-2] + window_s >= last_s:
            del starts_s[-1]
        return tuple((start_s, start_s + window_s) for start_s in (*starts_s, last_s))
