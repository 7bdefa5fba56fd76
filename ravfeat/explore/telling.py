"""How much one column or one measurement of a clip tells of its label or its actor, by itself.

A clip is given the target that is most frequent among the *other* clips of its value, relative to how frequent that
target is at all; the score is the mean recall (UAR). So a value that only one clip has tells nothing, and a rare class
counts as much as a large one. Numbers are cut into ten parts of equal size first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Telling", "binned", "telling"]

_PARTS = 10


@dataclass(frozen=True)
class Telling:
    """What one value of a clip tells of another one.

    Attributes
    ----------
    value : float
        Mean recall of the targets that two clips have, or more; nothing told is ``chance``.
    chance : float
        1 / number of targets.
    """

    value: float
    chance: float

    @property
    def gain(self) -> float:
        """How far from chance (0) to certainty (1); below 0 where it tells nothing."""
        return (self.value - self.chance) / (1 - self.chance) if self.chance < 1 else 0.0


def telling(values: Sequence[str], targets: Sequence[str]) -> Telling:
    """Measure how well one column names another one.

    Parameters
    ----------
    values, targets : sequence of str, one per clip

    Examples
    --------
    >>> telling(["a", "a", "b", "b"], ["sad", "sad", "happy", "happy"]).value
    1.0
    >>> telling(["a", "b", "c", "d"], ["sad", "sad", "happy", "happy"]).gain <= 0
    True
    """
    _, value = np.unique(np.asarray(values, object).astype(str), return_inverse=True)
    names, target = np.unique(np.asarray(targets, object).astype(str), return_inverse=True)
    sizes = np.bincount(target).astype(float)
    # Of a single clip nothing can be known from others.
    scored = sizes > 1
    if len(names) < 2 or not scored.any():
        return Telling(1.0, 1.0)
    recalls = np.zeros(len(names))
    for rows in np.split(np.argsort(value, kind="stable"), np.cumsum(np.bincount(value))[:-1]):
        counts = np.bincount(target[rows], minlength=len(names)).astype(float)
        for own in np.flatnonzero(counts):
            others, of_all = counts.copy(), sizes.copy()
            others[own] -= 1
            of_all[own] -= 1
            shares = np.divide(others, of_all, out=np.zeros(len(names)), where=of_all > 0)
            best = shares.max()
            # A tie is a guess among those that tie; where the others say nothing, among all.
            tied = shares == best
            recalls[own] += counts[own] * (tied[own] / tied.sum())
    return Telling(float((recalls / sizes)[scored].mean()), 1 / len(names))


def binned(numbers: NDArray[np.float64]) -> list[str]:
    """Cut numbers into ten parts of equal size; equal numbers stay together, NaN is a part of its own.

    Examples
    --------
    >>> binned(np.array([1.0, 2.0, np.nan]))
    ['0', '9', '']
    """
    known = np.isfinite(numbers)
    if not known.any():
        return [""] * len(numbers)
    edges = np.unique(np.quantile(numbers[known], np.linspace(0, 1, _PARTS + 1)[1:-1]))
    parts = np.searchsorted(edges, numbers, side="right")
    return [str(part) if is_known else "" for part, is_known in zip(parts.tolist(), known.tolist(), strict=True)]
