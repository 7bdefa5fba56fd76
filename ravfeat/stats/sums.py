"""Sums per actor and fold, from which every metric of any weighting of actors is computed.

Every metric is a function of sums over clips, so the sums are made once per (actor, fold):
confusion counts, negative log likelihood, squared error, and per confidence bin the sum of
(hit - confidence). Leaving actors out, or drawing some twice, then only weights those sums. The bin edges of ECE are
those of the full sample (for a fold's ECE: of that fold), not of each weighting.

This is why metrics are not scikit-learn's here: it takes clips, so each weighting would score all of them again,
where a weighted sum of counts gives the same numbers for all weightings in one matrix product.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ravfeat import metrics
from ravfeat.predictions import SystemProbs

__all__ = ["AVERAGINGS", "METRICS", "Averaging", "Sums"]

Averaging = Literal["pooled", "fold_mean"]

METRICS: tuple[str, ...] = (
    "uar",
    "wa",
    "macro_f1",
    "nll",
    "brier",
    "ece",
    "nll_uncalibrated",
    "brier_uncalibrated",
    "ece_uncalibrated",
)
"""``nll``, ``brier`` and ``ece`` are those of calibrated probabilities, the last three those of what the
system said; of probabilities that were never calibrated both are the same."""

AVERAGINGS: tuple[Averaging, ...] = ("pooled", "fold_mean")


@dataclass(frozen=True)
class _Quality:
    """What probabilities add up to, beyond the decisions they lead to.

    Attributes
    ----------
    nll, brier : ndarray of shape (A, F)
        Sums over clips.
    pooled_gaps, fold_gaps : ndarray of shape (A, F, B)
        Sum of (hit - confidence) per bin, with the bin edges of all clips, and of the own fold.
    """

    nll: NDArray[np.float64]
    brier: NDArray[np.float64]
    pooled_gaps: NDArray[np.float64]
    fold_gaps: NDArray[np.float64]

    @classmethod
    def of(
        cls, y: NDArray[np.int64], probs: NDArray[np.float64], group: NDArray[np.int64], shape: tuple[int, int]
    ) -> "_Quality":
        """Sum over the clips of each group, a group being an actor times F plus a fold."""
        bins, fold = metrics.ECE_BINS, group % shape[1]
        confidence = probs.max(1)
        gap = (metrics.decide(probs) == y) - confidence
        pooled_bin = metrics.ece_bins(confidence, metrics.ece_edges(confidence))
        # Edges of each fold's own confidences, for the ECE of single folds.
        fold_bin = np.empty_like(pooled_bin)
        for f in range(shape[1]):
            values = confidence[fold == f]
            fold_bin[fold == f] = metrics.ece_bins(values, metrics.ece_edges(values))
        return cls(
            nll=_add_up(group, metrics.clip_nll(y, probs), shape),
            brier=_add_up(group, metrics.clip_brier(y, probs), shape),
            pooled_gaps=_add_up(group * bins + pooled_bin, gap, (*shape, bins)),
            fold_gaps=_add_up(group * bins + fold_bin, gap, (*shape, bins)),
        )


@dataclass(frozen=True)
class Sums:
    """Sufficient statistics of all metrics per actor and fold.

    Attributes
    ----------
    counts : ndarray of shape (A, F, K, K)
        Confusion counts.
    calibrated, uncalibrated : _Quality
    """

    counts: NDArray[np.float64]
    calibrated: _Quality
    uncalibrated: _Quality

    @classmethod
    def of(cls, probs: SystemProbs, actors: NDArray[Any]) -> "Sums":
        """Sum over the clips of each (actor, fold)."""
        folds, fold = np.unique(probs.folds, return_inverse=True)
        # One number for each (actor, fold), so that one `bincount` adds up all of them; `actors` is sorted.
        group = np.searchsorted(actors, probs.actors) * len(folds) + fold
        shape, k = (len(actors), len(folds)), len(probs.classes)
        counts = _add_up((group * k + probs.y) * k + metrics.decide(probs.probs), None, (*shape, k, k))
        calibrated = _Quality.of(probs.y, probs.probs, group, shape)
        if probs.uncalibrated_log_probs is None:
            return cls(counts, calibrated, calibrated)
        return cls(counts, calibrated, _Quality.of(probs.y, probs.uncalibrated, group, shape))

    def scores(self, weights: NDArray[np.float64], averaging: Averaging) -> dict[str, NDArray[np.float64]]:
        """Score each weighting of actors, of shape (R, A): metric to array of shape (R,)."""
        if averaging == "fold_mean":
            share = self._fold_shares(weights)
            # A fold without actors has the score NaN and the share 0, and adds nothing.
            return {name: np.nansum(values * share, axis=1) for name, values in self.fold_metrics(weights).items()}
        return self.pooled_metrics(weights @ self.by_actor())

    def fold_metrics(self, weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Score each fold of each weighting: metric to array of shape (R, F), NaN for empty folds."""
        n_folds = self.counts.shape[1]
        weighted = weights @ self._packed("fold_gaps").reshape(len(self.counts), -1)
        return self._unpack(weighted.reshape(len(weights), n_folds, -1))

    def _fold_shares(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give what each fold counts in each weighting, of shape (R, F), rows summing to one.

        A fold counts as much as its actors do: otherwise a fold of one actor that is drawn twice would count once, and
        weightings would vary too little.
        """
        present = (self.counts.sum((2, 3)) > 0).astype(np.float64)  # (A, F)
        # Weight of the fold's actors, per actor that it has.
        share = weights @ present / present.sum(0)
        return np.asarray(share / share.sum(1, keepdims=True))

    def by_actor(self) -> NDArray[np.float64]:
        """Every sum that pooled metrics need, all folds together, of shape (A, S)."""
        return np.asarray(self._packed("pooled_gaps").sum(1))

    def pooled_metrics(self, sums: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Score sums of rows of `by_actor`, of shape (..., S): metric to array of shape (...)."""
        return self._unpack(sums)

    def _packed(self, gaps: str) -> NDArray[np.float64]:
        """Everything that adds up, side by side: shape (A, F, S)."""
        # Side by side, so that all draws weigh all sums in a single matrix product; `_unpack` reads the same order.
        parts = [self.counts.reshape(*self.counts.shape[:2], -1)]
        for quality in (self.calibrated, self.uncalibrated):
            parts += [quality.nll[..., None], quality.brier[..., None], getattr(quality, gaps)]
        return np.concatenate(parts, axis=-1)

    def _unpack(self, sums: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        k, bins = self.counts.shape[-1], metrics.ECE_BINS
        counts = sums[..., : k * k].reshape(*sums.shape[:-1], k, k)
        n = counts.sum((-2, -1))
        # NaN instead of a division by 0: a fold without clips has no score.
        clips = np.where(n > 0, n, np.nan)
        scores = {
            "uar": metrics.uar_from_confusion(counts),
            "wa": metrics.wa_from_confusion(counts),
            "macro_f1": metrics.f1_from_confusion(counts),
        }
        at = k * k
        for ending in ("", "_uncalibrated"):
            scores[f"nll{ending}"] = sums[..., at] / clips
            scores[f"brier{ending}"] = sums[..., at + 1] / clips
            scores[f"ece{ending}"] = np.abs(sums[..., at + 2 : at + 2 + bins]).sum(-1) / clips
            at += 2 + bins
        return {name: scores[name] for name in METRICS}


def _add_up(
    index: NDArray[np.int64], weights: NDArray[np.float64] | None, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    # Without `minlength`, cells at the end that no clip is in would be missing.
    return np.bincount(index, weights, minlength=int(np.prod(shape))).reshape(shape).astype(np.float64)
