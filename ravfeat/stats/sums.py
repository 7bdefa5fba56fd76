"""Sums over clips from which every metric of every draw of actors follows.

Every metric is a function of sums over clips, so the sums are made once per (actor, fold):
confusion counts, negative log likelihood, and per confidence bin the sum of (hit - confidence).
A draw then only weights those sums. The bin edges of ECE are those of the full sample (for a
fold's ECE: of that fold), not of each draw; the intervals of ECE lean upwards, as ECE does.

Offers
------
METRICS, AVERAGINGS, Averaging, Sums.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ravfeat import metrics
from ravfeat.predictions import SystemProbs

__all__ = ["AVERAGINGS", "METRICS", "Averaging", "Sums"]

Averaging = Literal["pooled", "fold_mean"]

METRICS: tuple[str, ...] = ("uar", "wa", "macro_f1", "nll", "ece")
AVERAGINGS: tuple[Averaging, ...] = ("pooled", "fold_mean")


@dataclass(frozen=True)
class Sums:
    """Sufficient statistics of all metrics per actor and fold.

    Attributes
    ----------
    counts : ndarray of shape (A, F, K, K)
        Confusion counts.
    nll : ndarray of shape (A, F)
        Sum of the clips' negative log likelihoods.
    pooled_gaps, fold_gaps : ndarray of shape (A, F, B)
        Sum of (hit - confidence) per bin, with the bin edges of all clips, and of the own fold.
    """

    counts: NDArray[np.float64]
    nll: NDArray[np.float64]
    pooled_gaps: NDArray[np.float64]
    fold_gaps: NDArray[np.float64]

    @classmethod
    def of(cls, probs: SystemProbs, actors: NDArray[Any]) -> "Sums":
        """Sum over the clips of each (actor, fold)."""
        actor = np.searchsorted(actors, probs.actors)
        folds, fold = np.unique(probs.folds, return_inverse=True)
        group = actor * len(folds) + fold
        shape, k, bins = (len(actors), len(folds)), len(probs.classes), metrics.ECE_BINS
        predicted = metrics.decide(probs.probs)
        confidence = probs.probs.max(1)
        gap = (predicted == probs.y) - confidence
        pooled_bin = metrics.ece_bins(confidence, metrics.ece_edges(confidence))
        fold_bin = np.empty_like(pooled_bin)
        for f in range(len(folds)):
            own = confidence[fold == f]
            fold_bin[fold == f] = metrics.ece_bins(own, metrics.ece_edges(own))
        return cls(
            counts=_add_up((group * k + probs.y) * k + predicted, None, (*shape, k, k)),
            nll=_add_up(group, metrics.clip_nll(probs.y, probs.probs), shape),
            pooled_gaps=_add_up(group * bins + pooled_bin, gap, (*shape, bins)),
            fold_gaps=_add_up(group * bins + fold_bin, gap, (*shape, bins)),
        )

    def scores(self, weights: NDArray[np.float64], averaging: Averaging) -> dict[str, NDArray[np.float64]]:
        """Score each draw: metric to array of shape (R,), from actor weights of shape (R, A)."""
        if averaging == "fold_mean":
            by_fold = self.fold_metrics(weights)
            return {name: np.nanmean(values, axis=1) for name, values in by_fold.items()}
        counts, nll, gaps = (weights @ _flat(part.sum(1)) for part in (self.counts, self.nll, self.pooled_gaps))
        return _from_sums(counts.reshape(-1, *self.counts.shape[2:]), nll[:, 0], gaps)

    def fold_metrics(self, weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Score each fold of each draw: metric to array of shape (R, F), NaN for empty folds."""
        n_draws, n_folds = len(weights), self.nll.shape[1]
        counts, nll, gaps = (weights @ _flat(part) for part in (self.counts, self.nll, self.fold_gaps))
        return _from_sums(
            counts.reshape(n_draws, n_folds, *self.counts.shape[2:]),
            nll.reshape(n_draws, n_folds),
            gaps.reshape(n_draws, n_folds, -1),
        )


def _from_sums(
    counts: NDArray[np.float64], nll: NDArray[np.float64], gaps: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    n = counts.sum((-2, -1))
    clips = np.where(n > 0, n, np.nan)
    return {
        "uar": metrics.uar_from_confusion(counts),
        "wa": metrics.wa_from_confusion(counts),
        "macro_f1": metrics.f1_from_confusion(counts),
        "nll": nll / clips,
        "ece": np.abs(gaps).sum(-1) / clips,
    }


def _add_up(
    index: NDArray[np.int64], weights: NDArray[np.float64] | None, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    return np.bincount(index, weights, minlength=int(np.prod(shape))).reshape(shape).astype(np.float64)


def _flat(part: NDArray[np.float64]) -> NDArray[np.float64]:
    return part.reshape(len(part), -1)
