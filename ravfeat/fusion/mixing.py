"""Mix the predictions of several systems: a linear or a log-linear opinion pool.

``linear`` takes a weighted mean of probabilities (the linear opinion pool), ``loglinear`` a weighted sum of
log-probabilities (the logarithmic opinion pool; Genest & Zidek 1986, "Combining probability distributions",
Statistical Science 1(1)). With weights of 1 the second multiplies probabilities, which is Bayes' rule for
systems that err independently given the class.

Conventions
-----------
Axes: M systems, N clips, K classes. All arithmetic is on log-probabilities in float64.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ravfeat.numerics.softmax import log_softmax

__all__ = ["MixRule", "linear", "loglinear", "mix"]

MixRule = Literal["linear", "loglinear"]


def mix(rule: MixRule, weights: NDArray[np.float64], log_probs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mix systems.

    Parameters
    ----------
    rule : {"linear", "loglinear"}
    weights : ndarray of shape (M,)
    log_probs : ndarray of shape (M, N, K)

    Returns
    -------
    ndarray of shape (N, K)
        Log-probabilities.
    """
    return (linear if rule == "linear" else loglinear)(weights, log_probs)


def linear(weights: NDArray[np.float64], log_probs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give ``log sum_m w_m p_m``; weights sum to one."""
    used = weights > 0  # the logarithm of a weight of 0 is no number
    shares = log_probs[used] + np.log(weights[used])[:, None, None]
    return log_softmax(np.logaddexp.reduce(shares, axis=0))


def loglinear(weights: NDArray[np.float64], log_probs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give ``log softmax sum_m w_m log p_m``; weights are not negative and need not sum to one."""
    return log_softmax(np.tensordot(weights, log_probs, axes=1))
