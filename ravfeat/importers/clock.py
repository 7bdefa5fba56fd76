"""When each row was seen."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import UsageError
from ravfeat.importers.base import BroughtClip, Rows, Timed

__all__ = ["PICTURES_HZ", "Clock", "set_clock"]

PICTURES_HZ = 29.97
"""Of RAVDESS videos."""

_ONE_ROW_HZ = 1.0  # a clip that is one row says nothing of its length


@dataclass(frozen=True)
class Clock:
    """How times come about.

    Attributes
    ----------
    timed : {"times", "frames", "rows", "clip"}
    fps : float
        Rows per second; not used for ``times``.
    """

    timed: Timed
    fps: float

    @property
    def step(self) -> str:
        """Name and version of the rule; part of the identity."""
        return {
            "times": "times as in the file/1",
            "frames": f"times: frame number / {self.fps:.9g} Hz/1",
            "rows": f"times: row number / {self.fps:.9g} Hz/1",
            "clip": "times: one row per clip at 0 s/1",
        }[self.timed]

    def rate_hz(self, clip: BroughtClip) -> float:
        """Give the rows per second of a clip."""
        return clip.rate_hz if self.timed == "times" and clip.rate_hz else self.fps

    def order(self, rows: Rows) -> NDArray[np.intp]:
        """Give the order of the rows in time."""
        key = rows.facts.get("frame", rows.facts.get("time_s"))
        return np.arange(len(rows.values)) if key is None else np.argsort(key, kind="stable")

    def times_s(self, rows: Rows) -> NDArray[np.float64]:
        """Give the time of each row, in seconds from the clip's start."""
        if self.timed == "times":
            return rows.facts["time_s"]
        if self.timed == "frames":
            return rows.facts["frame"] / self.fps
        return np.arange(len(rows.values)) / self.fps


def set_clock(timed: Timed, fps: float | None, default_fps: float | None, *, frames: bool) -> Clock:
    """Choose the rule.

    Parameters
    ----------
    timed : {"times", "frames", "rows", "clip"}
        What the files offer.
    fps : float, optional
        As the user says; goes before times in the files.
    default_fps : float, optional
        Known of the corpus.
    frames : bool
        Whether the files give frame numbers.

    Raises
    ------
    UsageError
        Where nothing says how fast rows follow each other.
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
