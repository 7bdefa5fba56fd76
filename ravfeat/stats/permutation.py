"""Paired randomisation test over actors, and Holm's correction.

If two systems were equally good, it would not matter which of them predicted an actor's clips. So for every
actor a coin decides whether the two change places, 10,000 times, and the p-value is the share of such
draws whose difference is at least as large as the real one, the real one counted among them (Good 2005,
"Permutation, Parametric and Bootstrap Tests of Hypotheses"; Phipson & Smyth 2010 on the counting).
Whole actors are swapped, because the clips of one actor are not independent.

With few actors there are few different swaps: 2 ** A of them, so five actors cannot reach p < 0.06.

`scipy.stats.permutation_test` would score the clips again in every draw; here a draw is one row of a matrix product
over sums per actor, and all metrics come from the same draws.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ravfeat.stats.sums import Sums

__all__ = ["SWAPS", "family", "holm", "swap_p_values"]

SWAPS = 10_000

_SEED = 20180516
# A draw that is as large as the real difference must count, though its sum was added in another order.
_ROUNDING = 1e-12


def swap_p_values(a: Sums, b: Sums) -> dict[str, float]:
    """Two-sided p-value of the difference in every pooled metric but the calibration errors.

    Swapping does not test an ECE: one system that is too sure and one that is not sure enough cancel in a mixture of
    both, so that any two would seem different.

    Parameters
    ----------
    a, b : Sums
        Of the same performances, over the same actors.
    """
    sums_a, sums_b = a.by_actor(), b.by_actor()
    observed = _gaps(a, sums_a.sum(0), sums_b.sum(0))
    # A swapped actor brings b - a to the first side and takes it from the second: (SWAPS, A) @ (A, S) -> (SWAPS, S)
    moved = _swaps(len(sums_a)) @ (sums_b - sums_a)
    drawn = _gaps(a, sums_a.sum(0) + moved, sums_b.sum(0) - moved)
    return {
        name: float((1 + (np.abs(drawn[name]) >= np.abs(value) - _ROUNDING).sum()) / (1 + SWAPS))
        for name, value in observed.items()
        if not name.startswith("ece")
    }


def _gaps(sums: Sums, a: NDArray[np.float64], b: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    scores_a, scores_b = sums.pooled_metrics(a), sums.pooled_metrics(b)
    return {name: scores_a[name] - scores_b[name] for name in scores_a}


def _swaps(n_actors: int) -> NDArray[np.float64]:
    """Which actors change places in each draw, of shape (SWAPS, A)."""
    return np.random.default_rng(_SEED).integers(0, 2, (SWAPS, n_actors)).astype(np.float64)


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values that are read together (Holm 1979, "A simple sequentially rejective multiple test procedure").

    The smallest of m is multiplied by m, the next by m - 1, and so on; none becomes smaller than one
    before it, or larger than 1.
    """
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, position in enumerate(np.argsort(p_values, kind="stable").tolist()):
        # The running maximum keeps the order: no p-value may pass one that was smaller before.
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[position]))
        corrected[position] = highest
    return corrected


def family(n: int, of: str) -> str:
    """Name the pairs whose p-values were corrected together, as in "all 10 pairs of the run"."""
    return f"all {n} pairs of {of}" if n > 1 else f"the only pair of {of}"
