"""Scores of one system with their intervals over actors: every metric, and the recall of every class."""

from dataclasses import dataclass

import numpy as np

from ravfeat.predictions import SystemProbs
from ravfeat.stats.jackknife import score_interval, share_interval, standard_error, without_each
from ravfeat.stats.sums import AVERAGINGS, METRICS, Averaging, Sums

__all__ = ["Interval", "Recall", "recalls", "score_intervals"]


@dataclass(frozen=True)
class Interval:
    """One score with its uncertainty.

    Attributes
    ----------
    value : float
        The score of the full sample.
    sd : float or None
        ``pooled``: standard error over actors, None with a single actor. ``fold_mean``: sample standard
        deviation of the folds' scores (ddof = 1), None with a single fold.
    ci_low, ci_high : float
        95 % interval over actors, see `ravfeat.stats.jackknife`. One actor tells nothing about others, so the
        interval is then all that the metric may be.
    """

    value: float
    sd: float | None
    ci_low: float
    ci_high: float


@dataclass(frozen=True)
class Recall:
    """Recall of one class over all test clips, with its interval over the actors who play it; `n` true clips."""

    label: str
    value: float
    ci_low: float
    ci_high: float
    n: int


def score_intervals(probs: SystemProbs) -> dict[tuple[str, Averaging], Interval]:
    """Score every metric in both averagings, with intervals.

    Returns
    -------
    dict of (metric, averaging) to Interval
    """
    actors = np.unique(probs.actors)
    sums = Sums.of(probs, actors)
    weights = without_each(len(actors))
    by_fold = sums.fold_metrics(weights[:1])
    result: dict[tuple[str, Averaging], Interval] = {}
    for averaging in AVERAGINGS:
        scores = sums.scores(weights, averaging)
        for name in METRICS:
            value, error = float(scores[name][0]), standard_error(scores[name][1:])
            sd = error if len(actors) > 1 else None
            if averaging == "fold_mean":
                folds = by_fold[name][0]
                sd = float(folds.std(ddof=1)) if len(folds) > 1 else None
            low, high = score_interval(name, value, error, len(actors), len(probs))
            result[name, averaging] = Interval(value, sd, low, high)
    return result


def recalls(probs: SystemProbs) -> list[Recall]:
    """Pooled recall of every class that occurs, in class order, with intervals over actors."""
    actors = np.unique(probs.actors)
    counts = Sums.of(probs, actors).counts.sum(1)  # (A, F, K, K) -> (A, K, K)
    hits, clips = np.diagonal(counts, axis1=1, axis2=2), counts.sum(2)  # (A, K) each
    result = []
    for k in np.flatnonzero(clips.sum(0)):
        plays = clips[:, k] > 0  # an actor who never plays it tells nothing about it
        weights = without_each(int(plays.sum()))
        rates = weights @ hits[plays, k] / (weights @ clips[plays, k])
        n = int(clips[:, k].sum())
        low, high = share_interval(float(rates[0]), standard_error(rates[1:]), len(weights) - 1, n)
        result.append(Recall(probs.classes[k], float(rates[0]), low, high, n))
    return result
