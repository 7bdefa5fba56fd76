"""Scores of one system with their intervals over actors: every metric, and the recall of every class."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ravfeat import metrics
from ravfeat.predictions import SystemProbs
from ravfeat.stats.jackknife import score_interval, share_interval, standard_error, without_each
from ravfeat.stats.sums import AVERAGINGS, METRICS, Averaging, Sums

__all__ = ["DEBIASED", "Interval", "Recall", "recalls", "score_intervals"]

DEBIASED = {"ece": "ece_debiased", "ece_uncalibrated": "ece_debiased_uncalibrated"}
"""What stands beside each ECE, with the same interval; systems are not compared in it."""


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
    """Score every metric in both averagings, with intervals, and ECE debiased too.

    ECE leans upwards, so its interval begins as far below the debiased estimate as it ends above the plain one.

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
        for name, debiased in DEBIASED.items():
            plain = result[name, averaging]
            by_part = _debiased(probs, name, averaging)
            value, error = float(by_part.mean()), standard_error(scores[name][1:])
            low, _ = score_interval(name, min(value, plain.value), error, len(actors), len(probs))
            result[name, averaging] = replace(plain, ci_low=low)
            sd = plain.sd
            if averaging == "fold_mean":
                sd = float(by_part.std(ddof=1)) if len(by_part) > 1 else None
            result[debiased, averaging] = Interval(value, sd, low, plain.ci_high)
    return result


def _debiased(probs: SystemProbs, name: str, averaging: Averaging) -> NDArray[np.float64]:
    """Debias the ECE of all clips, or of each fold: of shape (1,) or (F,)."""
    said = probs.probs if name == "ece" else probs.uncalibrated
    parts = [probs.folds == fold for fold in np.unique(probs.folds)] if averaging == "fold_mean" else [slice(None)]
    return np.array([metrics.ece_debiased(probs.y[part], said[part]) for part in parts])


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
