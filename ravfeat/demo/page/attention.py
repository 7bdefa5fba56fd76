"""Where heads listened or looked: attention of windows, brought onto one axis."""

import numpy as np
from numpy.typing import NDArray

from ravfeat.predict.result import Attention, FilePrediction

__all__ = ["is_even", "most_attended", "relative_attention"]

_FLOATS = NDArray[np.float64]

_MOST_S = 0.5
_EVEN = 1.25
"""A head whose largest weight is less than this many times the even one listened evenly."""


def relative_attention(prediction: FilePrediction, stream: str, bins: int = 400) -> _FLOATS | None:
    """Average the attention of all windows and systems of a stream.

    Parameters
    ----------
    prediction : FilePrediction
    stream : str
        ``audio`` or ``face``.
    bins : int

    Returns
    -------
    ndarray of shape (bins,) or None
        Over the recording; 1 where it is what even weights would be, 0 where no window is. None where no head of the
        stream pools with attention.
    """
    centres_s = (np.arange(bins) + 0.5) * prediction.duration_s / bins
    total, count = np.zeros(bins), np.zeros(bins)
    for window in prediction.windows or (prediction.summary,):
        inside = (centres_s >= window.start_s) & (centres_s < window.end_s)
        for entry in window.systems:
            if entry.system.stream == stream and entry.attention is not None and len(entry.attention.weights):
                total[inside] += _at(entry.attention, centres_s[inside])
                count[inside] += 1
    return total / np.maximum(count, 1) if count.any() else None


def _at(attention: Attention, times_s: _FLOATS) -> _FLOATS:
    """Read relative weights at other times, from the nearest frame."""
    edges = (attention.times_s[1:] + attention.times_s[:-1]) / 2
    weights = attention.weights.astype(np.float64)
    values: _FLOATS = weights[np.searchsorted(edges, times_s)] * len(weights)
    return values


def most_attended(attention: _FLOATS, duration_s: float) -> tuple[float, float]:
    """Give start and end, in seconds, of the half second (or tenth of a long recording) with the most weight."""
    length_s = min(max(_MOST_S, duration_s / 10), duration_s)
    n = max(1, round(len(attention) * length_s / duration_s))
    sums = np.convolve(attention, np.ones(n), "valid")
    start = int(sums.argmax())
    return start * duration_s / len(attention), (start + n) * duration_s / len(attention)


def is_even(attention: _FLOATS) -> bool:
    """Whether relative weights are about the same everywhere, so that their differences mean nothing."""
    return bool(attention.max(initial=0.0) < _EVEN)
