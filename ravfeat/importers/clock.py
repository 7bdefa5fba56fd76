"""Assign a time to every imported row: from the file's times, its frame numbers, or a given rate."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import UsageError
from ravfeat.importers.base import ImportedClip, Rows, Timed

__all__ = ["PICTURES_HZ", "Clock", "set_clock"]

PICTURES_HZ = 29.97
"""Frame rate of RAVDESS videos."""

_ONE_ROW_HZ = 1.0  # nominal: a clip stored as one row carries no information about its length


@dataclass(frozen=True)
class Clock:
    """Rule that computes the time of each row.

    Attributes
    ----------
    timed : {"times", "frames", "rows", "clip"}
    fps : float
        Rows per second; unused for ``times``.
    """

    timed: Timed
    fps: float

    @property
    def step(self) -> str:
        """Name and version of the rule; part of the cache's identity."""
        return {
            "times": "times as in the file/1",
            "frames": f"times: frame number / {self.fps:.9g} Hz/1",
            "rows": f"times: row number / {self.fps:.9g} Hz/1",
            "clip": "times: one row per clip at 0 s/1",
        }[self.timed]

    def rate_hz(self, clip: ImportedClip) -> float:
        """Return the rows per second of a clip."""
        return clip.rate_hz if self.timed == "times" and clip.rate_hz else self.fps

    def order(self, rows: Rows) -> NDArray[np.intp]:
        """Return the permutation that sorts the rows by time."""
        # Frame numbers are integers, so they sort rows whose rounded times are equal; stable keeps the file's order.
        key = rows.facts.get("frame", rows.facts.get("time_s"))
        return np.arange(len(rows.values)) if key is None else np.argsort(key, kind="stable")

    def times_s(self, rows: Rows) -> NDArray[np.float64]:
        """Return the time of each row, in seconds from the clip's start."""
        if self.timed == "times":
            return rows.facts["time_s"]
        if self.timed == "frames":
            return rows.facts["frame"] / self.fps
        return np.arange(len(rows.values)) / self.fps


def set_clock(timed: Timed, fps: float | None, default_fps: float | None, *, frames: bool) -> Clock:
    """Choose the timing rule.

    Parameters
    ----------
    timed : {"times", "frames", "rows", "clip"}
        Timing information in the files.
    fps : float, optional
        Rate that the user gave; it overrides times in the files.
    default_fps : float, optional
        Frame rate of the corpus.
    frames : bool
        Whether the files have frame numbers.

    Raises
    ------
    UsageError
        Where the row rate is unknown: no times, no ``fps``, no default.
    """
    if timed == "clip":
        return Clock("clip", _ONE_ROW_HZ)
    if timed == "times" and fps is None:
        return Clock("times", _ONE_ROW_HZ)
    rate_hz = fps if fps is not None else default_fps
    if rate_hz is None:
        raise UsageError("these features have several rows per clip and no times: say with --fps how many per second")
    if not (np.isfinite(rate_hz) and rate_hz > 0):
        raise UsageError(f"--fps {rate_hz:g}: expected a number above 0")
    return Clock("frames" if frames else "rows", float(rate_hz))
