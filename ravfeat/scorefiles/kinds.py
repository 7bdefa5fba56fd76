"""Logits or probabilities: found out from the numbers of a whole file.

Conventions
-----------
Axes: N rows, K classes.

Offers
------
Kind, kind_of, logits_of, SLACK, ZERO.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import PredictionsError
from ravfeat.scorefiles.columns import Cells

__all__ = ["SLACK", "ZERO", "Kind", "kind_of", "logits_of"]

Kind = Literal["logits", "probabilities"]

SLACK = 0.01
"""How far from 1 the probabilities of a row may sum: what rounding to two digits does to a handful of classes."""

ZERO = 1e-12
"""What a probability of zero is taken for; the smallest other probability of its row where that is smaller."""

_ROUNDING = 1e-6  # a softmax in float32 may give 1.0000001
_LARGEST = float(np.finfo(np.float32).max)  # what a prediction table can hold


def kind_of(cells: Cells) -> Kind:
    """Find out what the numbers of a file are.

    Returns
    -------
    {"probabilities", "logits"}
        ``probabilities`` where all lie within [0, 1] and every row sums to 1 within `SLACK`; ``logits`` where
        any lies outside.

    Raises
    ------
    PredictionsError
        For NaN and Inf, and where all lie within [0, 1] but some row does not sum to 1.
    """
    _check_finite(cells)
    if cells.values.min() < -_ROUNDING or cells.values.max() > 1 + _ROUNDING:
        return "logits"
    sums = cells.values.sum(1)
    off = np.abs(sums - 1)
    if (wrong := off > SLACK + _ROUNDING).any():
        worst = int(off.argmax())
        raise PredictionsError(
            f"{cells.where(worst)}: the scores sum to {sums[worst]:.4f}. All scores of the file lie between 0 and 1, as"
            f" probabilities do, but {wrong.sum()} of {len(cells)} rows do not sum to 1 within {SLACK}; give"
            " probabilities of all classes, or the logits before them"
        )
    return "probabilities"


def logits_of(kind: Kind, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give logits as they are, and the logarithm of probabilities that were made to sum to 1.

    Parameters
    ----------
    kind : {"probabilities", "logits"}
    values : ndarray of shape (N, K)

    Returns
    -------
    ndarray of shape (N, K)
        Finite: for zeros see `ZERO`. No row depends on another, so that no test row changes a learned one.
    """
    if kind == "logits":
        return values
    probs = np.clip(values, 0, None)
    probs = probs / probs.sum(1, keepdims=True)
    smallest = np.where(probs > 0, probs, 1).min(1, keepdims=True)
    return np.asarray(np.log(np.where(probs > 0, probs, np.minimum(smallest, ZERO))))


def _check_finite(cells: Cells) -> None:
    bad = np.flatnonzero(~(np.abs(cells.values) <= _LARGEST).all(1))
    if len(bad):
        raise PredictionsError(
            f"{cells.where(int(bad[0]))}: NaN, Inf or a number beyond float32 among the scores ({len(bad)} such rows);"
            " score these clips again"
        )
