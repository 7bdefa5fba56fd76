"""How values move during a clip: logarithms of their spread and speed, power by frequency, means of thirds, rises.

Conventions
-----------
A clip is (L, T, D) float32 with at least one frame; every function gives finite numbers for one frame, two frames and
frames that are all equal. Nothing knows the frame rate: a frequency is in cycles of 256 frames.

Sums are taken in float64 and rounded to float32 at the end.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["N_BANDS", "N_START", "band_powers", "logarithm", "mean_absolute_acceleration", "start", "third"]

_FLOOR = 1e-4
"""Least spread or speed of which a logarithm is taken. float16 stores numbers near 1 in steps of 5e-4 to 1e-3: what
varies less is as good as still, and further below, the logarithm of next to nothing would outweigh all real motion."""

_WINDOW = 256  # frames: 8.5 s of a video at 30 Hz, so that most clips of one sentence are one window
_EDGES = (1, 3, 5, 9, 17, 33, 65)
N_BANDS = len(_EDGES) - 1
"""Bands of frequencies: 1-2, 3-4, 5-8, 9-16, 17-32 and 33-64 cycles in 256 frames; at 30 Hz from 0.12 to 7.5 Hz."""

N_START = 6
"""Frames at the beginning of a clip that show it before the emotion: a fifth of a second at 30 Hz."""

_Floats = NDArray[np.float32]


def logarithm(values: _Floats, floor: float = _FLOOR) -> _Floats:
    """Give the natural logarithm of ``max(values, floor)``."""
    return np.log(np.maximum(values, np.float32(floor)))


def mean_absolute_acceleration(x: _Floats) -> _Floats:
    """Give the mean absolute second delta, (L, D); 0 where there are fewer than three frames."""
    if x.shape[-2] < 3:
        return np.zeros((*x.shape[:-2], x.shape[-1]), np.float32)
    return _mean(np.abs(np.diff(x, 2, axis=-2)))


def third(x: _Floats, number: int) -> _Floats:
    """Give the mean of one third of the frames, (L, D).

    Parameters
    ----------
    x : ndarray of shape (L, T, D)
    number : {0, 1, 2}
        Frames ``floor(number * T / 3)`` to ``ceil((number + 1) * T / 3)``: where T is no multiple of three,
        neighbours share a frame, so that none is empty and the first mirrors the last.
    """
    n = x.shape[-2]
    return _mean(x[..., number * n // 3 : -(-(number + 1) * n // 3), :])


def start(x: _Floats) -> _Floats:
    """Give the mean of the first `N_START` frames, or of those there are, (L, D)."""
    return _mean(x[..., :N_START, :])


def band_powers(x: _Floats) -> _Floats:
    """Give the logarithm of the power in each band of frequencies.

    The periodogram is |X|² / T, the FFT of a clip without its mean, padded with zeros to 256 frames; a band's power is
    the mean of its bins. White noise of variance v has v in every band that is faster than the clip is long. A longer
    clip is the average over windows of 256 frames that overlap by half and reach its end (Welch 1967, "The use of fast
    Fourier transform for the estimation of power spectra", without a taper). The least power is the square of the least
    spread.

    Returns
    -------
    ndarray of shape (L, `N_BANDS`, D)
    """
    n = x.shape[-2]
    apart = x - x.mean(axis=-2, keepdims=True, dtype=np.float64)
    starts = [*range(0, max(n - _WINDOW, 0), _WINDOW // 2), max(n - _WINDOW, 0)]
    power = np.zeros((*x.shape[:-2], _EDGES[-1], x.shape[-1]))
    # Window by window: of a long clip of a wide encoder, all spectra at once would not fit into the processor's caches.
    for at in starts:
        spectrum = np.fft.rfft(apart[..., at : at + _WINDOW, :], _WINDOW, axis=-2)[..., : _EDGES[-1], :]
        power += np.square(spectrum.real) + np.square(spectrum.imag)
    power /= len(starts) * min(n, _WINDOW)
    bands = [power[..., low:high, :].mean(axis=-2) for low, high in pairwise(_EDGES)]
    return logarithm(np.stack(bands, axis=-2).astype(np.float32), _FLOOR**2)


def _mean(x: _Floats) -> _Floats:
    return np.asarray(x.mean(axis=-2, dtype=np.float64), np.float32)
