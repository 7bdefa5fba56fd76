"""Metrics of one set of predictions: pure functions of arrays.

Conventions
-----------
Axes: N clips, K classes. ``y`` holds true class indices, ``predicted`` chosen ones, ``probs``
rows that sum to one. Classes that occur neither in ``y`` nor in ``predicted`` play no part.
Two decisions of equal probability go to the lower class index.

Why not scikit-learn: `confusion_matrix`, `balanced_accuracy_score` and `log_loss` give the same numbers to the last
bit (200 random cases; the tests compare every metric), but check their input on every call. For 1440 clips and 8
classes they take 970, 41 and 125 times as long, which intervals and swaps would pay tens of thousands of times, and a
second to load. ``ravfeat fuse`` and ``ravfeat report`` run without it.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import PredictionsError

__all__ = [
    "ECE_BINS",
    "brier",
    "clip_brier",
    "clip_nll",
    "confusion",
    "decide",
    "ece",
    "ece_bins",
    "ece_debiased",
    "ece_edges",
    "evaluate",
    "f1_from_confusion",
    "macro_f1",
    "nll",
    "recalls_from_confusion",
    "uar",
    "uar_from_confusion",
    "validate",
    "wa",
    "wa_from_confusion",
]

ECE_BINS = 15
"""Number of equal-mass bins of `ece` unless told otherwise."""

# As in scikit-learn's log_loss: a probability of exactly zero costs -log(eps), about 36 nats.
_SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)
_SUM_TOLERANCE = 1e-4


def validate(y: NDArray[Any], probs: NDArray[Any]) -> None:
    """Refuse what no metric is defined on.

    Raises
    ------
    PredictionsError
        No clips, shapes that do not fit, labels outside 0 .. K-1, probabilities that are not
        finite, lie outside [0, 1] or do not sum to one.
    """
    y, probs = np.asarray(y), np.asarray(probs)
    if probs.ndim != 2 or y.shape != probs.shape[:1] or not len(y):
        raise PredictionsError(
            f"expected labels (N,) and probabilities (N, K) with N > 0, got {y.shape} and {probs.shape}"
        )
    if not np.issubdtype(y.dtype, np.integer) or y.min() < 0 or y.max() >= probs.shape[1]:
        raise PredictionsError(
            f"labels must be integers from 0 to {probs.shape[1] - 1}, got {y.dtype} with {np.unique(y)[:9]}"
        )
    if not np.isfinite(probs).all() or probs.min() < 0 or probs.max() > 1 + _SUM_TOLERANCE:
        raise PredictionsError("probabilities must lie between 0 and 1; got others (logits need a softmax first)")
    worst = float(np.abs(probs.sum(1) - 1).max())
    if worst > _SUM_TOLERANCE:
        raise PredictionsError(f"probabilities of a clip must sum to 1; the worst row is off by {worst:.3g}")


def decide(probs: NDArray[Any]) -> NDArray[np.int64]:
    """Most probable class of each row, of shape (N,)."""
    best: NDArray[np.int64] = np.argmax(probs, axis=1)
    return best


def confusion(y: NDArray[Any], predicted: NDArray[Any], n_classes: int) -> NDArray[np.int64]:
    """Count clips by true class (rows) and predicted class (columns), of shape (K, K).

    ``C[i, j] = #{n : y_n = i and predicted_n = j}``
    """
    # Both classes as one number, so that one `bincount` counts all cells.
    flat = np.bincount(np.asarray(y) * n_classes + np.asarray(predicted), minlength=n_classes**2)
    return flat.reshape(n_classes, n_classes).astype(np.int64)


def recalls_from_confusion(counts: NDArray[Any]) -> NDArray[np.float64]:
    """Recall of each class, ``C[i, i] / sum_j C[i, j]``; NaN for a class without clips.

    Parameters
    ----------
    counts : ndarray of shape (..., K, K)

    Returns
    -------
    ndarray of shape (..., K)
    """
    return _ratio(np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(-1))


def uar_from_confusion(counts: NDArray[Any]) -> NDArray[np.float64]:
    """`uar` of confusion counts of shape (..., K, K); NaN where nothing was counted."""
    recalls = recalls_from_confusion(counts)
    # A class without true clips has no recall; it is left out of the mean, not counted as 0.
    present = np.isfinite(recalls)
    return _ratio(np.where(present, recalls, 0.0).sum(-1), present.sum(-1))


def wa_from_confusion(counts: NDArray[Any]) -> NDArray[np.float64]:
    """`wa` of confusion counts of shape (..., K, K); NaN where nothing was counted."""
    return _ratio(np.trace(counts, axis1=-2, axis2=-1), counts.sum((-2, -1)))


def f1_from_confusion(counts: NDArray[Any]) -> NDArray[np.float64]:
    """`macro_f1` of confusion counts of shape (..., K, K); NaN where nothing was counted."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    total = counts.sum(-1) + counts.sum(-2)  # true plus predicted: 2 TP + FP + FN
    present = total > 0
    f1 = np.where(present, _ratio(2 * hits, total), 0.0)
    return _ratio(f1.sum(-1), present.sum(-1))


def uar(y: NDArray[Any], predicted: NDArray[Any]) -> float:
    """Unweighted average recall, also called balanced accuracy or UA.

    ``UAR = 1/|P| * sum_{i in P} C[i, i] / sum_j C[i, j]`` with P the classes that occur in `y`.
    """
    return float(uar_from_confusion(_counts(y, predicted)))


def wa(y: NDArray[Any], predicted: NDArray[Any]) -> float:
    """Weighted accuracy, which is plain accuracy: ``WA = #{y_n = predicted_n} / N``."""
    return float(wa_from_confusion(_counts(y, predicted)))


def macro_f1(y: NDArray[Any], predicted: NDArray[Any]) -> float:
    """Mean F1 over the classes that occur in `y` or `predicted`.

    ``F1_i = 2 C[i, i] / (sum_j C[i, j] + sum_j C[j, i])``
    """
    return float(f1_from_confusion(_counts(y, predicted)))


def nll(y: NDArray[Any], probs: NDArray[Any]) -> float:
    """Mean negative log likelihood in nats: ``-1/N * sum_n log p_n[y_n]``, p at least 2.2e-16."""
    return float(clip_nll(y, probs).mean())


def clip_nll(y: NDArray[Any], probs: NDArray[Any]) -> NDArray[np.float64]:
    """Negative log likelihood of each clip in nats, of shape (N,)."""
    of_truth = np.asarray(probs, dtype=np.float64)[np.arange(len(y)), y]  # (N, K) -> (N,)
    return np.asarray(-np.log(np.clip(of_truth, _SMALLEST_PROBABILITY, None)))


def brier(y: NDArray[Any], probs: NDArray[Any]) -> float:
    """Brier score over all classes, from 0 to 2: ``1/N * sum_n sum_k (p_n[k] - [y_n = k])^2``."""
    return float(clip_brier(y, probs).mean())


def clip_brier(y: NDArray[Any], probs: NDArray[Any]) -> NDArray[np.float64]:
    """Squared error of each clip over all classes, of shape (N,)."""
    p = np.asarray(probs, dtype=np.float64)
    return np.asarray(((p - np.eye(p.shape[1])[y]) ** 2).sum(1))


def ece(y: NDArray[Any], probs: NDArray[Any], n_bins: int = ECE_BINS) -> float:
    """Measure the expected calibration error of the decision, over bins of equal mass.

    ``ECE = sum_b |B_b| / N * |accuracy(B_b) - mean confidence(B_b)|``, where the confidence of a
    clip is its largest probability and the inner bin edges are the quantiles ``b / n_bins`` of the
    confidences (linear interpolation). A confidence equal to an edge belongs to the bin above, so
    equal confidences share a bin. The estimate is biased upwards in small samples; see `ece_debiased`.
    """
    confidence = np.asarray(probs, dtype=np.float64).max(1)
    bins = ece_bins(confidence, ece_edges(confidence, n_bins))
    # Accuracy less confidence of a bin, times its clips: the bin sizes of the definition cancel.
    gaps = np.bincount(bins, weights=(decide(probs) == y) - confidence, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(confidence))


def ece_debiased(y: NDArray[Any], probs: NDArray[Any], n_bins: int = ECE_BINS) -> float:
    """Estimate `ece` less what chance adds to it, at least 0.

    In small bins accuracy misses confidence by chance, and every miss counts as an error. So what a bin's gap would be
    on average over samples like this one, its accuracy drawn from a normal distribution of the binomial's variance, is
    taken to lie as far above the gap as that lies above the truth (Kumar, Liang & Ma 2019, "Verified uncertainty
    calibration", section 5; here without drawing, by the mean of a folded normal distribution).
    """
    confidence = np.asarray(probs, dtype=np.float64).max(1)
    bins, hit = ece_bins(confidence, ece_edges(confidence, n_bins)), decide(probs) == y
    clips = np.maximum(np.bincount(bins, minlength=n_bins), 1)
    gaps = np.abs(np.bincount(bins, weights=hit - confidence, minlength=n_bins)) / len(hit)
    accuracy = np.bincount(bins, weights=hit, minlength=n_bins) / clips
    spreads = np.sqrt(accuracy * (1 - accuracy) * clips) / len(hit)
    by_chance = sum(_folded_mean(gap, spread) for gap, spread in zip(gaps.tolist(), spreads.tolist(), strict=True))
    return max(0.0, float(2 * gaps.sum()) - by_chance)


def _folded_mean(mean: float, spread: float) -> float:
    """Mean of the absolute value of a normal variable."""
    if spread <= 0:
        return abs(mean)
    z = mean / spread
    return spread * math.sqrt(2 / math.pi) * math.exp(-z * z / 2) + mean * math.erf(z / math.sqrt(2))


def ece_edges(confidence: NDArray[np.float64], n_bins: int = ECE_BINS) -> NDArray[np.float64]:
    """Inner edges of bins of equal mass, of shape (n_bins - 1,)."""
    return np.asarray(np.quantile(confidence, np.arange(1, n_bins) / n_bins), dtype=np.float64)


def ece_bins(confidence: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Bin of each clip, from 0 to len(edges), of shape (N,)."""
    return np.searchsorted(edges, confidence, side="right").astype(np.int64)


def evaluate(y: NDArray[Any], probs: NDArray[Any], n_bins: int = ECE_BINS) -> dict[str, float]:
    """Validate, then compute every metric.

    Returns
    -------
    dict with keys uar, wa, macro_f1, nll, brier, ece

    Examples
    --------
    >>> scores = evaluate(np.array([0, 1]), np.array([[0.9, 0.1], [0.6, 0.4]]))
    >>> scores["uar"], scores["wa"]
    (0.5, 0.5)
    """
    validate(y, probs)
    predicted = decide(probs)
    return {
        "uar": uar(y, predicted),
        "wa": wa(y, predicted),
        "macro_f1": macro_f1(y, predicted),
        "nll": nll(y, probs),
        "brier": brier(y, probs),
        "ece": ece(y, probs, n_bins),
    }


def _counts(y: NDArray[Any], predicted: NDArray[Any]) -> NDArray[np.int64]:
    y, predicted = np.asarray(y), np.asarray(predicted)
    if y.shape != predicted.shape or y.ndim != 1 or not len(y):
        raise PredictionsError(f"expected two label arrays (N,) with N > 0, got {y.shape} and {predicted.shape}")
    return confusion(y, predicted, int(max(y.max(), predicted.max())) + 1)


def _ratio(over: NDArray[Any], under: NDArray[Any]) -> NDArray[np.float64]:
    over, under = np.asarray(over, dtype=np.float64), np.asarray(under)
    # `where` leaves NaN in place and spares NumPy's warning of a division by 0.
    ratio: NDArray[np.float64] = np.divide(over, under, out=np.full(over.shape, np.nan), where=under > 0)
    return ratio
