"""Bootstrap confidence intervals over actors."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ravfeat import metrics
from ravfeat.predictions import SystemProbs
from ravfeat.stats.sums import AVERAGINGS, METRICS, Averaging, Sums

__all__ = ["DRAWS", "Interval", "Recall", "bootstrap", "draw_actors", "percentiles", "recalls"]

DRAWS = 2000

_SEED = 20180516  # fixed, so that the same predictions always give the same interval


@dataclass(frozen=True)
class Interval:
    """One score with its uncertainty.

    Attributes
    ----------
    value : float
        The score of the full sample.
    sd : float or None
        ``pooled``: standard deviation of the bootstrap draws. ``fold_mean``: sample standard
        deviation of the folds' scores (ddof = 1), None with a single fold.
    ci_low, ci_high : float
        95 % percentile interval of the bootstrap over actors.
    """

    value: float
    sd: float | None
    ci_low: float
    ci_high: float


@dataclass(frozen=True)
class Recall:
    """Recall of one class over all test clips, with its bootstrap interval; `n` true clips."""

    label: str
    value: float
    ci_low: float
    ci_high: float
    n: int


def bootstrap(probs: SystemProbs) -> dict[tuple[str, Averaging], Interval]:
    """Score every metric in both averagings, with intervals.

    Returns
    -------
    dict of (metric, averaging) to Interval
    """
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


def recalls(probs: SystemProbs) -> list[Recall]:
    """Pooled recall of every class that occurs, in class order, with intervals over actors."""
    actors = np.unique(probs.actors)
    counts = Sums.of(probs, actors).counts.sum(1)  # (A, F, K, K) -> (A, K, K)
    value = metrics.recalls_from_confusion(counts.sum(0))
    # (R, A) x (A, K, K) -> (R, K, K)
    drawn = metrics.recalls_from_confusion(np.tensordot(draw_actors(len(actors)), counts, axes=1))
    result = []
    for k in np.flatnonzero(np.isfinite(value)):
        low, high = percentiles(drawn[:, k])
        n = int(counts[:, k].sum())
        result.append(Recall(probs.classes[k], float(value[k]), low, high, n))
    return result


def draw_actors(n_actors: int) -> NDArray[np.float64]:
    """How often each actor stands in each draw, of shape (R, A)."""
    # A new generator for each call: two systems over the same actors get the same draws, which pairs them. The
    # multinomial counts how often each actor comes up in as many draws with replacement.
    rng = np.random.default_rng(_SEED)
    return rng.multinomial(n_actors, np.full(n_actors, 1 / n_actors), size=DRAWS).astype(np.float64)


def percentiles(drawn: NDArray[np.float64]) -> tuple[float, float]:
    """Bounds of the 95 % percentile interval; draws without a value are left out."""
    low, high = np.nanpercentile(drawn, (2.5, 97.5))
    return float(low), float(high)
