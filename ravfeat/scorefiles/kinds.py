"""Tell logits from probabilities by the numbers of a whole score file.

Conventions
-----------
Axes: N rows, K classes.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import PredictionsError
from ravfeat.scorefiles.columns import ScoreTable

__all__ = ["SLACK", "ZERO", "Kind", "kind_of", "logits_of"]

Kind = Literal["logits", "probabilities"]

SLACK = 0.01
"""How far from 1 the probabilities of a row may sum; further where they were rounded to few digits."""

ZERO = 1e-12
"""What a probability of zero is taken for; half of the last digit where a file was rounded to few digits, and the
smallest other probability of its row where that is smaller."""

_FEW_DIGITS = 4
_MIXED = 0.05  # share of logits that may look like probabilities by chance
_ROUNDING = 1e-6  # a softmax in float32 may give 1.0000001
_LARGEST = float(np.finfo(np.float32).max)  # what a prediction table can hold


def kind_of(cells: ScoreTable) -> Kind:
    """Find out what the numbers of a file are.

    Returns
    -------
    {"probabilities", "logits"}
        ``probabilities`` where all lie within [0, 1] and every row sums to 1; ``logits`` where some lie outside.

    Raises
    ------
    PredictionsError
        For NaN and Inf, for rows of both kinds, for percentages, and where all lie within [0, 1] but some row does
        not sum to 1.
    """
    _check_finite(cells)
    sums = cells.values.sum(1)
    within = np.asarray(((cells.values >= -_ROUNDING) & (cells.values <= 1 + _ROUNDING)).all(1))
    slack = _slack(cells.values)
    good = within & (np.abs(sums - 1) <= slack + _ROUNDING)
    if not within.all():
        _check_logits(cells, within, good, sums)
        return "logits"
    if not good.all():
        worst = int(np.abs(sums - 1).argmax())
        raise PredictionsError(
            f"{cells.where(worst)}: the scores sum to {sums[worst]:.4f}. All scores of the file lie between 0 and 1, as"
            f" probabilities do, but {(~good).sum()} of {len(cells)} rows do not sum to 1 within {slack:g}; give"
            " probabilities of all classes, or the logits before them"
        )
    return "probabilities"


def _check_logits(
    cells: ScoreTable, within: NDArray[np.bool_], good: NDArray[np.bool_], sums: NDArray[np.float64]
) -> None:
    """Refuse what is neither: files of both kinds, and percentages."""
    if good.mean() >= _MIXED:
        row, other = int(np.flatnonzero(good)[0]), int(np.flatnonzero(~within)[0])
        raise PredictionsError(
            f"{cells.where(other)}: scores outside 0 to 1, as logits are, and {good.sum()} of {len(cells)} rows are"
            f" probabilities that sum to 1, such as row {row + 1} ({cells.facts['name'][row]}); give one kind"
        )
    if cells.values.min() >= 0 and (np.abs(sums - 100) <= 100 * SLACK).all():
        raise PredictionsError(f"{cells.path}: every row sums to 100, as percentages do; divide them by 100")


def _slack(values: NDArray[np.float64]) -> float:
    digits = _digits(values)
    return SLACK if digits is None else max(SLACK, values.shape[1] * 0.5 * 10.0**-digits)


def _digits(values: NDArray[np.float64]) -> int | None:
    """To how many digits a file was rounded; None where it was not, or to many."""
    for digits in range(1, _FEW_DIGITS + 1):
        scaled = values * 10.0**digits
        if (np.abs(scaled - np.rint(scaled)) < _ROUNDING).all():
            return digits
    return None


def logits_of(kind: Kind, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give logits as they are, and the logarithm of probabilities that were made to sum to 1.

    Parameters
    ----------
    kind : {"probabilities", "logits"}
    values : ndarray of shape (N, K)

    Returns
    -------
    ndarray of shape (N, K)
        Finite: for zeros see `ZERO`.
    """
    if kind == "logits":
        return values
    probs = np.clip(values, 0, None)
    probs = probs / probs.sum(1, keepdims=True)
    digits = _digits(values)
    zero = ZERO if digits is None else 0.5 * 10.0**-digits
    smallest = np.where(probs > 0, probs, 1).min(1, keepdims=True)
    return np.asarray(np.log(np.where(probs > 0, probs, np.minimum(smallest, zero))))


def _check_finite(cells: ScoreTable) -> None:
    bad = np.flatnonzero(~(np.abs(cells.values) <= _LARGEST).all(1))
    if len(bad):
        raise PredictionsError(
            f"{cells.where(int(bad[0]))}: NaN, Inf or a number beyond float32 among the scores ({len(bad)} such rows);"
            " score these clips again"
        )
