"""What is brought: clips by name, and their rows, whatever kind of file they lie in.

Conventions
-----------
A row is one frame of one clip, (T, ...) with any trailing axes. Names are as the files say them: with
or without folders, endings and modality; `ravfeat.importers.join` finds out whose they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["FACTS", "BroughtClip", "FeatureFiles", "Rows", "Timed", "mean_rate_hz"]

Timed = Literal["times", "frames", "rows", "clip"]
"""How rows lie in time: at times that the file gives, at frame numbers, one after another, or one per clip."""

FACTS: Mapping[str, str] = {
    "frame": "frame",
    "timestamp": "time_s",
    "time_s": "time_s",
    "success": "found",
    "found": "found",
    "confidence": "confidence",
}
"""Arrays and columns that say something about a row, by what they are to us; never features."""


@dataclass(frozen=True)
class BroughtClip:
    """One clip of the brought features.

    Attributes
    ----------
    name : str
        As the file says it; the file's own name without its ending where it says none.
    file : str
        Relative to the brought folder, with forward slashes.
    position : int
        Number of the clip in its file.
    n_frames : int
    rate_hz : float or None
        Mean rate by the times that the file gives; None where it gives none.
    """

    name: str
    file: str
    position: int
    n_frames: int
    rate_hz: float | None = None


@dataclass(frozen=True)
class Rows:
    """The rows of one clip, in the order of the file.

    Attributes
    ----------
    values : ndarray of shape (T, ...)
        Numbers of any type.
    facts : mapping of str to ndarray of shape (T,), float64
        Of ``frame``, ``time_s``, ``found`` and ``confidence`` those that the file gives.
    """

    values: NDArray[Any]
    facts: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def take(self, order: NDArray[np.intp]) -> "Rows":
        """Give the rows in another order."""
        return Rows(self.values[order], {name: fact[order] for name, fact in self.facts.items()})


class FeatureFiles(Protocol):
    """A file, or a folder of files of one kind and one layout."""

    kind: str
    array: str
    """Name of the feature array, or the chosen columns."""
    shape: tuple[int, ...]
    """Of one row."""
    timed: Timed
    clips: tuple[BroughtClip, ...]
    named: bool
    """Whether names stand inside the files; otherwise a file's name is its clip's."""
    facts: frozenset[str]
    """Keys of `Rows.facts`."""

    def read(self, clip: BroughtClip) -> Rows:
        """Give the rows of one clip; safe to call from several threads.

        Raises
        ------
        MediaError
            Where the file cannot be read any more.
        """
        ...


def mean_rate_hz(times_s: NDArray[np.float64]) -> float:
    """Give the mean rate of rows at these times; 1 where a single row or broken times say nothing.

    Examples
    --------
    >>> mean_rate_hz(np.array([0.0, 0.5, 1.0]))
    2.0
    """
    span_s = float(np.ptp(times_s)) if len(times_s) else 0.0
    return (len(times_s) - 1) / span_s if np.isfinite(span_s) and span_s > 0 else 1.0
