"""Find the speech-active part of a clip: from the first to the last loud frame (voice activity by energy).

Recipe, version 1: the root mean square (RMS) of 50 ms, every 10 ms, of the mono waveform at its own rate. A frame is
active where its RMS is above the larger of 0.06 times the largest RMS and twice the 10th percentile of all. The part
reaches from the start of the first active frame to the end of the last, and 0.1 s further on both sides. So pauses
within the speech belong to it; what lies before and after does not. The thresholds are our choice.

The part is given as shares of the clip, so that it carries over to views of another speed. It is always measured on the
clean waveform. Another recipe must get other names of columns, see `ravfeat.schema.ACTIVE_COLUMNS`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ravfeat.schema import ACTIVE_COLUMNS

__all__ = ["ActivePart", "active_part"]

HOPS_PER_SECOND = 100
HOPS_PER_FRAME = 5
LOUDEST_SHARE = 0.06
"""Of the largest RMS: -24 dB."""

BACKGROUND_FACTOR = 2.0
"""Times the 10th percentile, which is taken for the background: +6 dB."""

MARGIN_S = 0.1

_BLOCK_HOPS = 6000  # squares of a minute at a time: those of an hour of sound would take a gigabyte


@dataclass(frozen=True)
class ActivePart:
    """Where the speech of a clip begins and ends.

    Attributes
    ----------
    start, end : float
        Shares of the clip's length; 0 <= start < end <= 1.
    """

    start: float
    end: float

    def columns(self) -> dict[str, float]:
        """Return the values by `ravfeat.schema.ACTIVE_COLUMNS`."""
        return dict(zip(ACTIVE_COLUMNS, (self.start, self.end), strict=True))


def active_part(samples: NDArray[np.float32], sample_rate_hz: int) -> ActivePart:
    """Find the speech-active part of a clip.

    Parameters
    ----------
    samples : ndarray of shape (n,), float32
        One channel; at least one sample.
    sample_rate_hz : int

    Returns
    -------
    ActivePart
        The whole clip where no frame is above the threshold (a steady tone, silence, one frame), and where it is
        shorter than a frame.

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    >>> noise[:4000] *= 0.01
    >>> active_part(noise, 16_000)
    ActivePart(start=0.11, end=1.0)
    """
    bounds = _hop_bounds(len(samples), sample_rate_hz)
    rms = _frame_rms(samples, bounds)
    if not len(rms):
        return ActivePart(0.0, 1.0)
    threshold = max(LOUDEST_SHARE * float(rms.max()), BACKGROUND_FACTOR * float(np.percentile(rms, 10)))
    active = np.flatnonzero(rms > threshold)
    if not len(active):
        return ActivePart(0.0, 1.0)
    margin = MARGIN_S * sample_rate_hz
    start = max(0.0, int(bounds[active[0]]) - margin)
    end = min(float(len(samples)), int(bounds[active[-1] + HOPS_PER_FRAME]) + margin)
    return ActivePart(start / len(samples), end / len(samples))


def _hop_bounds(n_samples: int, sample_rate_hz: int) -> NDArray[np.int64]:
    """Return the first sample of every hop of 10 ms that fits into the clip, and the end of the last one."""
    # In whole numbers: at 22 050 Hz hops have 220 and 221 samples, and the thousandth is not off by one. Below 100 Hz
    # some would have none.
    n_hops = n_samples * HOPS_PER_SECOND // sample_rate_hz if sample_rate_hz >= HOPS_PER_SECOND else 0
    return np.arange(n_hops + 1, dtype=np.int64) * sample_rate_hz // HOPS_PER_SECOND


def _frame_rms(samples: NDArray[np.float32], bounds: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the RMS of every frame, which is that of `HOPS_PER_FRAME` hops; empty where no frame fits."""
    n_frames = len(bounds) - HOPS_PER_FRAME
    if n_frames < 1:
        return np.zeros(0)
    squares = np.empty(len(bounds) - 1)  # summed over every hop
    for first in range(0, len(squares), _BLOCK_HOPS):
        block = bounds[first : first + _BLOCK_HOPS + 1]
        of_samples = np.square(samples[block[0] : block[-1]], dtype=np.float64)
        squares[first : first + len(block) - 1] = np.add.reduceat(of_samples, block[:-1] - block[0])
    summed = np.zeros(n_frames)
    for hop in range(HOPS_PER_FRAME):
        summed += squares[hop : hop + n_frames]
    return np.asarray(np.sqrt(summed / (bounds[HOPS_PER_FRAME:] - bounds[:n_frames])))
