"""Refuse imported columns that number the rows, or say who speaks or what the label is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import CorpusError

__all__ = ["ColumnRanges", "check_columns"]

# Fewer rows can be so by chance; a column that is refused wrongly can be named with --columns.
_MIN_ROWS = 6
_MIN_SORTED = 20
_MIN_ORDERS = 12.0  # natural logarithm of the orders that the frames of all clips could have had
_SHOWN = 5

Values = NDArray[np.float32]


@dataclass
class ColumnRanges:
    """What is remembered of D columns while tables are read once.

    Attributes
    ----------
    low, high : dict of (str, str) to ndarray of shape (D,)
        Smallest and largest value of every clip, by file and name.
    """

    low: dict[tuple[str, str], Values] = field(default_factory=dict)
    high: dict[tuple[str, str], Values] = field(default_factory=dict)
    _rising: NDArray[np.bool_] | None = None
    _orders: float = 0.0

    def add(self, file: str, clip: str, rows: Values) -> None:
        """Remember the rows of one clip, (T, D) in the order of the file."""
        if not len(rows):
            return
        # NaN is a value like others here, and equal to itself.
        values = np.nan_to_num(rows, nan=float(np.finfo(np.float32).max))
        self.low[file, clip], self.high[file, clip] = values.min(axis=0), values.max(axis=0)
        if len(values) > 1:
            rising: NDArray[np.bool_] = np.all(values[1:] > values[:-1], axis=0)
            self._rising = rising if self._rising is None else np.logical_and(self._rising, rising)
            self._orders += math.lgamma(len(values) + 1)

    def numbering(self, *, per_clip: bool) -> NDArray[np.bool_]:
        """Find columns that number the rows: of the file where rows are clips, else of every clip.

        Returns
        -------
        ndarray of shape (D,), bool
        """
        first = np.stack(list(self.low.values()))
        if per_clip:
            return _numbers_rows(first.astype(np.float64))  # where differences of whole numbers are exact
        if self._rising is None or self._orders < _MIN_ORDERS:
            return np.zeros(first.shape[1], np.bool_)
        return self._rising

    def depends_on(self, groups: Mapping[tuple[str, str], str]) -> NDArray[np.bool_]:
        """Find columns that are constant within every group of clips and not constant over all of them.

        Parameters
        ----------
        groups : mapping of (str, str) to str
            File and name of a clip → its label, or its actor.

        Returns
        -------
        ndarray of shape (D,), bool
        """
        members: dict[str, list[tuple[str, str]]] = {}
        for clip, group in groups.items():
            if clip in self.low:
                members.setdefault(group, []).append(clip)
        repeated = [clips for clips in members.values() if len(clips) > 1]
        n_columns = len(next(iter(self.low.values())))
        if len(repeated) < 2 or sum(len(clips) - 1 for clips in repeated) < _MIN_ROWS:
            return np.zeros(n_columns, np.bool_)
        low, high = (
            np.stack([extreme([side[clip] for clip in clips], axis=0) for clips in repeated])
            for extreme, side in ((np.min, self.low), (np.max, self.high))
        )
        return np.asarray((low == high).all(axis=0) & (low != low[:1]).any(axis=0))


def _numbers_rows(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Find columns of (N, D) that are in even steps, or whole numbers that rise, fall or are 1 to N in any order."""
    if len(values) < _MIN_ROWS:
        return np.zeros(values.shape[1], np.bool_)
    steps = np.diff(values, axis=0)
    even = (np.isclose(steps, steps[:1], rtol=1e-4) & (steps[:1] != 0)).all(axis=0)
    if len(values) < _MIN_SORTED:
        return np.asarray(even)
    whole = (values == np.round(values)).all(axis=0)
    ordered = np.sort(values, axis=0)
    shuffled = (np.diff(ordered, axis=0) == 1).all(axis=0) & np.isin(ordered[0], (0, 1))
    return np.asarray(even | whole & ((steps > 0).all(axis=0) | (steps < 0).all(axis=0) | shuffled))


def check_columns(
    where: str,
    columns: Sequence[str],
    ranges: ColumnRanges,
    *,
    per_clip: bool,
    labels: Mapping[tuple[str, str], str],
    actors: Mapping[tuple[str, str], str],
    allowed: frozenset[str] = frozenset(),
) -> None:
    """Refuse columns that number the rows or are a function of label or actor, whatever they are called.

    Parameters
    ----------
    where : str
        The file or folder, for messages.
    columns : sequence of str, length D
    ranges : ColumnRanges
        Of the same columns.
    per_clip : bool
        Whether rows are clips.
    labels, actors : mapping of (str, str) to str
        By file and name of a clip.
    allowed : frozenset of str
        Columns that were named one by one.

    Raises
    ------
    CorpusError
        Naming the columns.
    """
    if not ranges.low:
        return
    reasons = {
        "grow with the row number": ranges.numbering(per_clip=per_clip),
        "are the same in all clips of a label, and so say what the label is": ranges.depends_on(labels),
        "are the same in all clips of an actor, and so say who speaks": ranges.depends_on(actors),
    }
    for reason, wrong in reasons.items():
        names = [name for name, bad in zip(columns, wrong, strict=True) if bad and name not in allowed]
        if names:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            raise CorpusError(
                f"{where}: the values of {', '.join(names[:_SHOWN])}{more} {reason}. Drop such columns; if they are"
                f" features all the same, name all columns that are to be taken: --columns {','.join(names[:_SHOWN])},…"
            )
