"""Streaming mean, standard deviation and mean absolute delta over frames, in the memory of one frame.

Sums are taken in float64; the spread is merged piece by piece (Chan, Golub & LeVeque 1983, "Algorithms for
computing the sample variance"), so that a large mean costs no precision.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["RunningStatistics"]


class RunningStatistics:
    """Mean, standard deviation and mean absolute delta of a clip.

    They are what `ravfeat.numerics.pooling.pool_frames` calls ``mean``, ``std`` and ``speed``, up to rounding.

    Examples
    --------
    >>> running = RunningStatistics()
    >>> running.add(np.array([[1.0], [3.0]]))
    >>> running.add(np.array([[5.0]]))
    >>> running.give(["mean", "speed"])
    array([[3.],
           [2.]], dtype=float32)
    """

    def __init__(self) -> None:
        self._n = 0
        self._mean: NDArray[np.float64] | None = None
        self._squares: NDArray[np.float64] | None = None
        self._steps: NDArray[np.float64] | None = None
        self._last: NDArray[np.floating] | None = None

    def add(self, frames: NDArray[np.floating]) -> None:
        """Take the next frames, shape (T, ...); T may be 0."""
        if not len(frames):
            return
        x = frames.astype(np.float64)
        n, mean = len(x), x.mean(0)
        squares = np.square(x - mean).sum(0)
        # The step from the last frame of the piece before counts too.
        with_last = x if self._last is None else np.concatenate([self._last[None], x])
        steps = np.abs(np.diff(with_last, axis=0)).sum(0)
        if self._mean is None or self._squares is None or self._steps is None:
            self._n, self._mean, self._squares, self._steps = n, mean, squares, steps
        else:
            # Chan et al.: squares of both pieces around their own means, plus what lies between the means. The old
            # count and mean are needed for that, so they are replaced last.
            total, apart = self._n + n, mean - self._mean
            self._squares += squares + np.square(apart) * (self._n * n / total)
            self._mean += apart * (n / total)
            self._steps += steps
            self._n = total
        self._last = x[-1]

    def give(self, statistics: Sequence[str]) -> NDArray[np.float32]:
        """Give statistics, shape (len(statistics), ...).

        Raises
        ------
        ValueError
            Where no frame was taken, or a name is not one of ``mean``, ``std`` and ``speed``.
        """
        if self._mean is None or self._squares is None or self._steps is None:
            raise ValueError("expected at least one frame")
        values = {
            "mean": self._mean,
            "std": np.sqrt(self._squares / self._n),
            # A clip of one frame has no step: 0 / 1, not 0 / 0.
            "speed": self._steps / max(self._n - 1, 1),
        }
        if unknown := [name for name in statistics if name not in values]:
            raise ValueError(f"{unknown} cannot be computed piece by piece; choose from {list(values)}")
        return np.stack([values[name] for name in statistics]).astype(np.float32)
