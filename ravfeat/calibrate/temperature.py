"""Temperature scaling: one number per system and fold that makes probabilities as sure as they are right.

Conventions
-----------
Axes: N clips, K classes. Logits may be log-probabilities. Arithmetic is float64.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from ravfeat.errors import PredictionsError
from ravfeat.numerics.softmax import log_softmax

__all__ = ["BOUNDS", "Temperature"]

BOUNDS = (0.01, float(np.exp(10)))
"""Where a temperature is looked for, times the mean distance of a clip's logits from its largest: at the lower end
they lie 100 nats apart, at the upper one every class is as probable as any other."""

_XTOL = 1e-12


class Temperature:
    """Divide logits by one temperature, the one of lowest negative log likelihood.

    ``probs = softmax(logits / T)``, T over 1 where a system is surer than it is right. The order of the
    classes stays, so no decision changes (Guo et al. 2017, "On calibration of modern neural networks",
    ICML, arXiv:1706.04599). The likelihood is concave in 1 / T, so there is one best T, found as the root
    of its slope.

    Parameters
    ----------
    bounds : (float, float)
        Smallest and largest T, in units of the mean distance of a clip's logits from its largest: logits may come
        in any scale.

    Attributes
    ----------
    temperature_ : float
        1 where every clip's logits are all equal: no T changes anything then.
    at_bound_ : {"", "lower", "upper"}
        ``lower`` where the likelihood still rises there: the rows are separable, or almost.
        ``upper`` likewise: the logits say nothing about the labels, or the wrong thing.

    Examples
    --------
    >>> sharp = np.array([[8.0, 0.0], [8.0, 0.0], [8.0, 0.0], [8.0, 0.0]])
    >>> temperature = Temperature().fit(sharp, np.array([0, 0, 0, 1]))  # right three times in four
    >>> np.exp(temperature.transform(sharp))[0].round(4)
    array([0.75, 0.25])
    """

    temperature_: float
    at_bound_: Literal["", "lower", "upper"]

    def __init__(self, bounds: tuple[float, float] = BOUNDS) -> None:
        self.bounds = bounds

    def fit(self, logits: NDArray[np.floating], y: NDArray[np.integer]) -> "Temperature":
        """Find the temperature.

        Parameters
        ----------
        logits : ndarray of shape (N, K)
        y : ndarray of shape (N,), int
            Class indices.

        Raises
        ------
        PredictionsError
            For no clip, shapes that do not fit, logits that are not finite, or labels outside 0 .. K-1.
        """
        z, y = _checked(logits, y)
        z -= z.max(1, keepdims=True)  # shifts change no probability, and small numbers keep their digits
        right = z[np.arange(len(y)), y].mean()

        def slope(log_inverse: float) -> float:
            """Rise of the NLL with 1 / T."""
            # d NLL / d (1 / T) = mean of E_p[z] - z_y. Over log(1 / T), which keeps 1 / T positive.
            powers = np.exp(z * np.exp(log_inverse))
            return float(((powers * z).sum(1) / powers.sum(1)).mean() - right)

        # In the scale of these logits: all of z is at most 0, so -mean is the mean distance from the largest.
        smallest, largest = (bound * -float(z.mean()) for bound in self.bounds)
        self.at_bound_ = ""
        if not z.any():
            self.temperature_ = 1.0
        # Surer than at the largest T is no better, and the NLL is convex in 1 / T: the best T lies beyond.
        elif slope(-np.log(largest)) >= 0:
            self.temperature_, self.at_bound_ = largest, "upper"
        elif slope(-np.log(smallest)) <= 0:
            self.temperature_, self.at_bound_ = smallest, "lower"
        else:
            self.temperature_ = float(np.exp(-brentq(slope, -np.log(largest), -np.log(smallest), xtol=_XTOL)))
        return self

    def transform(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """Give ``log softmax(logits / T)``, of the shape of `logits`, classes along the last axis."""
        return log_softmax(np.asarray(logits, dtype=np.float64) / self.temperature_)


def _checked(logits: NDArray[np.floating], y: NDArray[np.integer]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    z, y = np.array(logits, dtype=np.float64), np.asarray(y)
    if z.ndim != 2 or y.shape != z.shape[:1] or not len(y):
        raise PredictionsError(
            f"a temperature needs logits (N, K) and labels (N,) with N > 0, got {z.shape} and {y.shape}"
        )
    if not np.isfinite(z).all():
        clips = int((~np.isfinite(z)).any(1).sum())
        raise PredictionsError(f"a temperature needs finite logits; {clips} of {len(z)} clips have NaN or Inf")
    if not np.issubdtype(y.dtype, np.integer) or y.min() < 0 or y.max() >= z.shape[1]:
        raise PredictionsError(f"labels must be integers from 0 to {z.shape[1] - 1}, got {y.dtype} {np.unique(y)[:9]}")
    return z, y.astype(np.int64)
