"""Reliability: accuracy by confidence in the equal-mass bins of the expected calibration error (ECE)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ravfeat import metrics

__all__ = ["Bins", "reliability"]


@dataclass(frozen=True)
class Bins:
    """Clips by confidence, the least sure first; bins without a clip are left out.

    Attributes
    ----------
    confidence, accuracy : ndarray of shape (B,)
        Means over the clips of each bin.
    n : ndarray of shape (B,), int64
    """

    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    n: NDArray[np.int64]

    @property
    def ece(self) -> float:
        """``sum_b n_b / N * |accuracy_b - confidence_b|``, which is `metrics.ece`."""
        return float((self.n * np.abs(self.accuracy - self.confidence)).sum() / self.n.sum())


def reliability(y: NDArray[np.int64], probs: NDArray[np.float64]) -> Bins:
    """Sort the clips of probabilities of shape (N, K) into the bins of `metrics.ece`."""
    confidence = probs.max(1)
    bins = metrics.ece_bins(confidence, metrics.ece_edges(confidence))
    n = np.bincount(bins, minlength=metrics.ECE_BINS)
    filled = n > 0
    sums = [np.bincount(bins, values, metrics.ECE_BINS)[filled] for values in (confidence, metrics.decide(probs) == y)]
    return Bins(sums[0] / n[filled], sums[1] / n[filled], n[filled])
