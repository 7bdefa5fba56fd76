"""Imported clips and their rows, independent of the kind of file that holds them.

Conventions
-----------
A row is one frame of one clip, (T, ...) with any trailing axes. Clip names are as written in the files: with
or without folders, endings and modality; `ravfeat.importers.match` finds the performance of each.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["FACTS", "FeatureFiles", "ImportedClip", "Rows", "Timed", "mean_rate_hz"]

Timed = Literal["times", "frames", "rows", "clip"]
"""Timing of the rows: times in the file, frame numbers, equally spaced rows, or one row per clip."""

FACTS: Mapping[str, str] = {
    "frame": "frame",
    "timestamp": "time_s",
    "time_s": "time_s",
    "success": "found",
    "found": "found",
    "confidence": "confidence",
}
"""Reserved names of arrays and columns that describe a row → their meaning; they are never features."""


@dataclass(frozen=True)
class ImportedClip:
    """One clip of the imported features.

    Attributes
    ----------
    name : str
        As written in the file; the file's own name without its ending where the file holds no names.
    file : str
        Relative to the imported folder, with forward slashes.
    position : int
        Number of the clip in its file.
    n_frames : int
    rate_hz : float or None
        Mean rate, in rows per second, computed from the times in the file; None where there are none.
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
        Of any numeric dtype.
    facts : mapping of str to ndarray of shape (T,), float64
        Those of ``frame``, ``time_s``, ``found`` and ``confidence`` that the file has.
    """

    values: NDArray[Any]
    facts: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def take(self, order: NDArray[np.intp]) -> "Rows":
        """Return the rows in another order."""
        return Rows(self.values[order], {name: fact[order] for name, fact in self.facts.items()})


class FeatureFiles(Protocol):
    """Reader of one feature file, or of a folder of files with one kind and one layout."""

    kind: str
    array: str
    """Name of the feature array, or the chosen columns."""
    shape: tuple[int, ...]
    """Of one row."""
    timed: Timed
    clips: tuple[ImportedClip, ...]
    named: bool
    """Whether the files contain clip names; otherwise each file is one clip with the file's name."""
    facts: frozenset[str]
    """Keys of `Rows.facts`."""

    def read(self, clip: ImportedClip) -> Rows:
        """Read the rows of one clip; safe to call from several threads.

        Raises
        ------
        MediaError
            Where the file can no longer be read.
        """
        ...


def mean_rate_hz(times_s: NDArray[np.float64]) -> float:
    """Compute the mean row rate from times; 1 for a single row, or for times that are not finite.

    Examples
    --------
    >>> mean_rate_hz(np.array([0.0, 0.5, 1.0]))
    2.0
    """
    # N rows span N - 1 distances.
    span_s = float(np.ptp(times_s)) if len(times_s) else 0.0
    return (len(times_s) - 1) / span_s if np.isfinite(span_s) and span_s > 0 else 1.0
