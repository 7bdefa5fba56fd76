"""Softmax and log-softmax, in float64."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["log_softmax", "softmax"]


def softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Turn logits of shape (..., K) into probabilities.

    ``p_k = exp(z_k - max z) / sum_j exp(z_j - max z)``
    """
    return np.asarray(np.exp(log_softmax(logits)))


def log_softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Turn logits of shape (..., K) into log-probabilities, which are logits too."""
    z = np.asarray(logits, dtype=np.float64)
    z = z - z.max(-1, keepdims=True)  # exp of the largest is 1: nothing overflows
    return np.asarray(z - np.log(np.exp(z).sum(-1, keepdims=True)))
