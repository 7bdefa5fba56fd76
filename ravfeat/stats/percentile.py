"""Percentile bootstrap over actors: the intervals of runs that were written before `ravfeat.stats.jackknife` was used.

2000 draws of as many actors as there are, with replacement, one fixed seed (Efron & Tibshirani 1993, chapter 13). It
stays so that the files of those runs can still be held against their predictions, and to be compared with.
"""

import numpy as np
from numpy.typing import NDArray

from ravfeat.predictions import SystemProbs
from ravfeat.stats.intervals import Interval
from ravfeat.stats.sums import AVERAGINGS, METRICS, Averaging, Sums

__all__ = ["DRAWS", "draw_actors", "percentile_intervals", "percentiles"]

DRAWS = 2000

_SEED = 20180516  # fixed, so that the same predictions always give the same interval


def percentile_intervals(probs: SystemProbs) -> dict[tuple[str, Averaging], Interval]:
    """Score every metric in both averagings, with percentile intervals; see `ravfeat.stats.score_intervals`."""
    actors = np.unique(probs.actors)
    sums = Sums.of(probs, actors)
    draws = draw_actors(len(actors))
    # Every actor once: the full sample, scored the way a draw is.
    whole = np.ones((1, len(actors)))
    by_fold = sums.fold_metrics(whole)
    result: dict[tuple[str, Averaging], Interval] = {}
    for averaging in AVERAGINGS:
        values = sums.scores(whole, averaging)
        drawn = sums.scores(draws, averaging)
        for name in METRICS:
            folds = by_fold[name][0] if averaging == "fold_mean" else drawn[name]
            sd = float(folds.std(ddof=1)) if len(folds) > 1 else None
            low, high = percentiles(drawn[name])
            result[name, averaging] = Interval(float(values[name][0]), sd, low, high)
    return result


def draw_actors(n_actors: int) -> NDArray[np.float64]:
    """How often each actor stands in each draw, of shape (R, A)."""
    # The multinomial counts how often each actor comes up in as many draws with replacement.
    rng = np.random.default_rng(_SEED)
    return rng.multinomial(n_actors, np.full(n_actors, 1 / n_actors), size=DRAWS).astype(np.float64)


def percentiles(drawn: NDArray[np.float64]) -> tuple[float, float]:
    """Bounds of the 95 % percentile interval; draws without a value are left out."""
    low, high = np.nanpercentile(drawn, (2.5, 97.5))
    return float(low), float(high)
