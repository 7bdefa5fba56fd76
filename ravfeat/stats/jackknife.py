"""Standard errors and 95 % intervals over actors: each actor left out in turn, quantiles of Student's t.

Every score is computed again without each of the A actors, and the spread of those scores gives its standard error
(Quenouille 1956, "Notes on bias in estimation"; Efron & Tibshirani 1993, chapter 11). Few actors make the standard
error itself unsure, so quantiles are those of Student's t with A - 1 degrees of freedom, as for few clusters of any
kind (Cameron, Gelbach & Miller 2008, "Bootstrap-based improvements for inference with clustered errors").

Scores have bounds, and near them the error is lopsided. So a share (UAR, WA, F1, a recall) gets its interval on the
scale of log odds, an NLL or Brier score on that of logarithms, by the delta method; a difference on its own scale.
``benchmarks/coverage.py`` holds this against bootstraps: docs/uncertainty.md has its table.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, stdtrit

__all__ = ["difference_interval", "score_interval", "share_interval", "standard_error", "t_quantile", "without_each"]

_HIGHEST = {
    "uar": 1.0,
    "wa": 1.0,
    "macro_f1": 1.0,
    "nll": float(-np.log(np.finfo(np.float64).eps)),
    "brier": 2.0,
    "ece": 1.0,
}
"""Largest value of each metric, and of a difference in it; the smallest is 0. Who has one actor knows no more."""

_SHARES = ("uar", "wa", "macro_f1")


def without_each(n_actors: int) -> NDArray[np.float64]:
    """Weights of all actors, then of all but one, of shape (1 + A, A); of one actor the first row only."""
    if n_actors < 2:
        return np.ones((1, n_actors))
    return np.concatenate([np.ones((1, n_actors)), 1.0 - np.eye(n_actors)])


def standard_error(left_out: NDArray[np.float64]) -> float:
    """Estimate the standard error of a score from what it is without each actor, (A,); infinite for one actor."""
    n_actors = len(left_out)
    if n_actors < 2:
        return float("inf")
    return float(np.sqrt((n_actors - 1) / n_actors * ((left_out - left_out.mean()) ** 2).sum()))


def t_quantile(n_actors: float, p: float = 0.975) -> float:
    """Quantile of Student's t with one degree of freedom fewer than there are actors; infinite for one actor."""
    return float(stdtrit(n_actors - 1, p)) if n_actors > 1 else float("inf")


def score_interval(metric: str, value: float, error: float, n_actors: int, n: int) -> tuple[float, float]:
    """Bounds of the 95 % interval of a score.

    Parameters
    ----------
    metric : str
        ``_uncalibrated`` at its end is ignored.
    value, error : float
        The score and its standard error.
    n_actors, n : int
        Number of actors and of clips.
    """
    name = metric.removesuffix("_uncalibrated")
    if n_actors < 2:
        return 0.0, _HIGHEST[name]
    if name in _SHARES:
        return share_interval(value, error, n_actors, n)
    if name == "ece":
        return _within(value, t_quantile(n_actors) * error, 0.0, _HIGHEST[name])
    if value <= 0:
        return value, value
    # Beyond exp(700) numbers end.
    factor = float(np.exp(min(t_quantile(n_actors) * error / value, 700.0)))
    return value / factor, min(value * factor, _HIGHEST[name])


def share_interval(value: float, error: float, n_actors: int, n: int) -> tuple[float, float]:
    """Bounds of the 95 % interval of a share of `n` clips, on the scale of log odds.

    No share of n clips is known better than to half a clip: where no clip was missed, or all actors score alike, the
    spread between actors alone would claim that nobody ever will be.
    """
    if n_actors < 2:
        return 0.0, 1.0
    half = 0.5 / n
    inner = float(np.clip(value, half, 1 - half))
    reach = t_quantile(n_actors) * max(error, half) / (inner * (1 - inner))
    low, high = expit(logit(inner) - reach), expit(logit(inner) + reach)
    return min(float(low), value), max(float(high), value)


def difference_interval(metric: str, value: float, error: float, n_actors: float) -> tuple[float, float]:
    """Bounds of the 95 % interval of a difference, from its standard error and one more than its degrees of freedom."""
    highest = _HIGHEST[metric.removesuffix("_uncalibrated")]
    if n_actors < 2:
        return -highest, highest
    return _within(value, t_quantile(n_actors) * error, -highest, highest)


def _within(value: float, reach: float, lowest: float, highest: float) -> tuple[float, float]:
    return max(value - reach, lowest), min(value + reach, highest)
