"""Find columns whose values float16 does not keep: narrow ones far from zero, tiny ones, ones beyond its range.

A half-precision number has ten bits of mantissa: rounding costs at most 0.05 % of a value. That is nothing where
a column spreads around zero, and everything where its values differ by less: 0.50001 … 0.50008 become one value.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["SAMPLE", "FlattenedColumn", "describe_flattened", "evenly", "flattened_columns"]

SAMPLE = 512
"""Rows that are compared: fewer than the values that float16 has for any column of usual spread."""

_MAX_ERROR = 1 / 16  # of the standard deviation; reached where the mean is some 200 standard deviations from zero
_COLLAPSE = 16  # so many times fewer distinct values: where a few large ones make the standard deviation
_FEW = 8  # distinct values that become one or two
_SHOWN = 3


@dataclass(frozen=True)
class FlattenedColumn:
    """A column that float16 does not keep.

    Attributes
    ----------
    column : int
    before, after : int
        Distinct values, before and after rounding.
    low, high : float
        Smallest and largest value.
    """

    column: int
    before: int
    after: int
    low: float
    high: float


def evenly(n_items: int, n_wanted: int) -> NDArray[np.intp]:
    """Choose positions evenly, both ends included; all of them where there are no more than wanted.

    Examples
    --------
    >>> evenly(9, 3), evenly(2, 3)
    (array([0, 4, 8]), array([0, 1]))
    """
    return np.unique(np.linspace(0, n_items - 1, min(n_items, n_wanted)).round().astype(np.intp))


def flattened_columns(rows: NDArray[np.float32]) -> list[FlattenedColumn]:
    """Compare a sample of rows with the same in float16.

    Parameters
    ----------
    rows : ndarray of shape (N, D), float32
        Finite; about `SAMPLE` rows.

    Returns
    -------
    list of FlattenedColumn
        Those that lose most of their distinct values, or whose rounding error is over a 16th of their standard
        deviation, or that exceed the range. Constant columns lose nothing.
    """
    if len(rows) < 2:
        return []
    with np.errstate(over="ignore"):
        rounded = rows.astype(np.float16).astype(np.float32)
    beyond = ~np.isfinite(rounded).all(axis=0)
    wide = rows.astype(np.float64)
    error = np.sqrt(np.square(np.where(beyond, 0, rounded) - np.where(beyond, 0, wide)).mean(axis=0))
    spread, size = wide.std(axis=0), np.abs(wide).max(axis=0)
    before, after = _distinct(rows), _distinct(rounded)
    lost = (error > _MAX_ERROR * spread) | (after * _COLLAPSE <= before) | beyond
    lost |= ((after <= 2) & (before >= _FEW)) | ((after == 1) & (before > 1))
    # What differs by the rounding of float32 itself is a constant that was computed in two ways.
    lost &= spread > 4 * np.finfo(np.float32).eps * size
    low, high = rows.min(axis=0), rows.max(axis=0)
    return [
        FlattenedColumn(int(at), int(before[at]), int(after[at]), float(low[at]), float(high[at]))
        for at in np.flatnonzero(lost)
    ]


def describe_flattened(columns: Iterable[FlattenedColumn], names: Iterable[str]) -> str:
    """Name columns, with how many values are left of them, for a message."""
    texts = [
        f"{name} ({column.before} distinct values between {column.low:.6g} and {column.high:.6g} become {column.after})"
        for name, column in zip(names, columns, strict=True)
    ]
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return f"{', '.join(texts[:_SHOWN])}{more}"


def _distinct(rows: NDArray[np.float32]) -> NDArray[np.intp]:
    ordered = np.sort(rows, axis=0)
    return np.asarray(1 + (ordered[1:] != ordered[:-1]).sum(axis=0))
