"""Pool the frames of each clip to statistics, and average neighbouring frames.

Conventions
-----------
Axes: N clips, F frames of all clips one after another, L layers, T frames of one clip, D dimensions, S statistics.
Clip ``i`` owns ``frames[offsets[i]:offsets[i + 1]]``. Frames may be float16; they are widened to
float32 clip by clip, never all at once. A cache is layer-major, so its clips come as blocks (L, T, D), which
`pool_block` and `average_block` take a few layers at a time, as many as the processor's caches hold.

Sums are taken over rows of all dimensions at once, in the order in which NumPy sums one contiguous row (pairwise,
eight numbers side by side): the same bits as ``mean`` and ``add.reduceat``, many times faster.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import RavfeatError
from ravfeat.numerics import time_course
from ravfeat.numerics.float16 import widen

__all__ = ["STATISTICS", "Statistic", "average_block", "average_frames", "pool_block", "pool_frames"]

Statistic = Literal[
    "mean", "std", "speed", "min", "q10", "q25", "median", "q75", "q90", "max",
    "log_std", "log_speed", "log_acceleration", "power1", "power2", "power3", "power4", "power5", "power6",
    "third1", "third2", "third3", "third1_rise", "third2_rise", "third3_rise", "q10_rise", "q90_rise",
]  # fmt: skip
"""What `pool_frames` can compute of every dimension.

================================  ====================================================================
``mean``, ``std``                 mean; standard deviation, which divides by the number of frames
``speed``                         mean absolute delta, from each frame to the next
``min``, ``q10`` … ``q90``,       quantiles, with linear interpolation
``max``
``log_std``, ``log_speed``        natural logarithms of ``std`` and ``speed``, of at least 1e-4
``log_acceleration``              logarithm of the mean absolute delta of the deltas, of at least 1e-4
``power1`` … ``power6``           logarithms of the power at 1-2, 3-4, 5-8, 9-16, 17-32 and 33-64 cycles
                                  in 256 frames, of at least 1e-8
``third1`` … ``third3``           means of the first, the middle and the last third of the frames
``third1_rise`` … ``q90_rise``    thirds and quantiles minus the mean of the first 6 frames
================================  ====================================================================

See `ravfeat.numerics.time_course` for those about motion."""

STATISTICS: tuple[Statistic, ...] = get_args(Statistic)

_Floats = NDArray[np.float32]

_LANES = 8
_LONGEST_RUN = 128  # of numbers that NumPy adds without halving them first


def _total(x: _Floats) -> _Floats:
    """Sum (..., T, D) over T as NumPy sums a contiguous row of T numbers."""
    n = x.shape[-2]
    if n > _LONGEST_RUN:
        # NumPy's rule too: the first half a multiple of eight, and each half summed by itself.
        half = n // 2 - n // 2 % _LANES
        return _total(x[..., :half, :]) + _total(x[..., half:, :])
    first, total = 1, x[..., 0, :]
    if n >= _LANES:
        first = n - n % _LANES
        # Eight running sums side by side, added in pairs: the order of NumPy's inner loop.
        lanes = x[..., :_LANES, :].copy()
        for start in range(_LANES, first, _LANES):
            lanes += x[..., start : start + _LANES, :]
        while lanes.shape[-2] > 1:
            lanes = lanes[..., ::2, :] + lanes[..., 1::2, :]
        total = lanes[..., 0, :]
    # A copy, because `total` may be a view of the caller's frames, and is added to below.
    total = total.copy()
    for row in range(first, n):
        total += x[..., row, :]
    return total


def _mean(x: _Floats) -> _Floats:
    return (np.float32(0) + _total(x)) / np.float32(x.shape[-2])  # a sum begins at 0: no mean is -0


def _std(x: _Floats) -> _Floats:
    # Around the mean before squaring, so that a large mean costs no digits.
    apart = x - _mean(x)[..., None, :]
    apart *= apart
    return np.sqrt(_mean(apart))


def _mean_absolute_delta(x: _Floats) -> _Floats:
    if x.shape[-2] < 2:
        return np.zeros((*x.shape[:-2], x.shape[-1]), np.float32)
    steps = np.diff(x, axis=-2)
    return _mean(np.abs(steps, out=steps))


class _Clip:
    """Frames of one clip, (L, T, D), and what several statistics share."""

    def __init__(self, x: _Floats) -> None:
        self.x = x

    @cached_property
    def ordered(self) -> _Floats:
        """Values sorted over time, (L, D, T)."""
        return np.sort(np.ascontiguousarray(self.x.transpose(0, 2, 1)), axis=-1)

    @cached_property
    def powers(self) -> _Floats:
        return time_course.band_powers(self.x)

    @cached_property
    def start(self) -> _Floats:
        return time_course.start(self.x)


_Pooling = Callable[[_Clip], _Floats]


def _quantile(q: float) -> _Pooling:
    def of(clip: _Clip) -> _Floats:
        x = clip.ordered
        position = q * (x.shape[-1] - 1)
        below = int(position)
        above = min(below + 1, x.shape[-1] - 1)
        share = np.float32(position - below)
        return np.asarray(x[..., below] * (1 - share) + x[..., above] * share, np.float32)

    return of


def _third(number: int) -> _Pooling:
    return lambda clip: time_course.third(clip.x, number)


def _power(band: int) -> _Pooling:
    return lambda clip: clip.powers[..., band, :]


def _rise(pooling: _Pooling) -> _Pooling:
    return lambda clip: pooling(clip) - clip.start


_LEVELS = {"min": 0.0, "q10": 0.1, "q25": 0.25, "median": 0.5, "q75": 0.75, "q90": 0.9, "max": 1.0}
_PLACES = {name: _quantile(level) for name, level in _LEVELS.items()} | {f"third{n + 1}": _third(n) for n in range(3)}
_SPREADS: dict[str, _Pooling] = {
    "mean": lambda clip: _mean(clip.x),
    "std": lambda clip: _std(clip.x),
    "speed": lambda clip: _mean_absolute_delta(clip.x),
    "log_std": lambda clip: time_course.logarithm(_std(clip.x)),
    "log_speed": lambda clip: time_course.logarithm(_mean_absolute_delta(clip.x)),
    "log_acceleration": lambda clip: time_course.logarithm(time_course.mean_absolute_acceleration(clip.x)),
}
_POWERS = {f"power{band + 1}": _power(band) for band in range(time_course.N_BANDS)}
_RISES = {f"{name}_rise": _rise(_PLACES[name]) for name in ("third1", "third2", "third3", "q10", "q90")}
_POOLINGS: dict[str, _Pooling] = _PLACES | _SPREADS | _POWERS | _RISES


def pool_frames(
    frames: NDArray[np.floating],
    offsets: NDArray[np.int64],
    statistics: Sequence[str] = ("mean", "std"),
    *,
    layers: Sequence[int] | None = None,
) -> NDArray[np.float32]:
    """Describe each clip by statistics over its frames.

    Parameters
    ----------
    frames : ndarray of shape (F, L, D)
    offsets : ndarray of shape (N + 1,)
    statistics : sequence of str
        Names out of `STATISTICS`, in the order they are wanted.
    layers : sequence of int, optional
        Positions on the layer axis to keep; all of them by default.

    Returns
    -------
    ndarray of shape (N, L, S, D), float32

    Raises
    ------
    RavfeatError
        For a name that is not a statistic, or a clip without frames.

    Examples
    --------
    >>> frames = np.arange(6, dtype=np.float16).reshape(6, 1, 1)
    >>> pool_frames(frames, np.array([0, 2, 6]), ("mean", "max")).reshape(2, 2)
    array([[0.5, 1. ],
           [3.5, 5. ]], dtype=float32)
    """
    _check_statistics(statistics)
    _check_offsets(offsets, len(frames))
    keep = list(range(frames.shape[1])) if layers is None else list(layers)
    pooled = np.empty((len(offsets) - 1, len(keep), len(statistics), frames.shape[2]), np.float32)
    for clip in range(len(pooled)):
        clip_frames = frames[offsets[clip] : offsets[clip + 1]]
        clip_frames = clip_frames if layers is None else clip_frames[:, keep]
        pooled[clip] = pool_block(clip_frames.transpose(1, 0, 2), statistics)
    return pooled


def pool_block(block: NDArray[np.floating], statistics: Sequence[str]) -> NDArray[np.float32]:
    """Describe one clip, layer-major, by statistics over its frames.

    Parameters
    ----------
    block : ndarray of shape (L, T, D)
    statistics : sequence of str

    Returns
    -------
    ndarray of shape (L, S, D), float32
    """
    clip = _Clip(widen(block))
    pooled = np.empty((len(block), len(statistics), block.shape[2]), np.float32)
    for s, name in enumerate(statistics):
        pooled[:, s] = _POOLINGS[name](clip)
    return pooled


def average_frames(
    frames: NDArray[np.floating],
    offsets: NDArray[np.int64],
    window: int,
    *,
    layers: Sequence[int] | None = None,
) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
    """Replace every `window` neighbouring frames of a clip by their mean.

    The last window of a clip averages the frames it has. Sums are taken in float32; the result
    keeps the dtype of `frames`.

    Parameters
    ----------
    frames : ndarray of shape (F, L, D)
    offsets : ndarray of shape (N + 1,)
    window : int
        Number of frames; 1 keeps every frame.
    layers : sequence of int, optional
        Positions on the layer axis to keep; all of them by default.

    Returns
    -------
    frames : ndarray of shape (F', L, D)
    offsets : ndarray of shape (N + 1,), int64

    Raises
    ------
    RavfeatError
        If `window` is less than 1 or a clip has no frames.
    """
    if window < 1:
        raise RavfeatError(f"frames are averaged over windows of at least 1 frame, got {window}")
    _check_offsets(offsets, len(frames))
    # A slice gives a view; a list of layers would copy all frames.
    keep = slice(None) if layers is None else list(layers)
    if window == 1:
        return frames[:, keep], np.asarray(offsets, np.int64)
    # Rounded up: a clip's last window may have fewer frames.
    counts = -(-np.diff(offsets) // window)
    new_offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    n_layers = frames.shape[1] if layers is None else len(layers)
    averaged = np.empty((int(new_offsets[-1]), n_layers, frames.shape[2]), frames.dtype)
    for clip in range(len(counts)):
        clip_frames = frames[offsets[clip] : offsets[clip + 1]][:, keep]
        block = average_block(clip_frames.transpose(1, 0, 2), window)
        averaged[new_offsets[clip] : new_offsets[clip + 1]] = block.transpose(1, 0, 2)
    return averaged, new_offsets


def average_block(block: NDArray[np.floating], window: int) -> NDArray[np.float32]:
    """Average every `window` neighbouring frames of one clip, layer-major.

    Parameters
    ----------
    block : ndarray of shape (L, T, D)
    window : int
        At least 1.

    Returns
    -------
    ndarray of shape (L, T', D), float32
        Not yet rounded to the dtype of ``block``.
    """
    x = widen(block)
    n_layers, n_frames, dim = x.shape
    # Whole windows are a mere reshape; what is left of the clip is averaged by itself.
    n_whole = n_frames // window
    averaged = np.empty((n_layers, -(-n_frames // window), dim), np.float32)
    if n_whole:
        averaged[:, :n_whole] = _window_means(x[:, : n_whole * window].reshape(n_layers, n_whole, window, dim))
    if n_whole * window < n_frames:
        averaged[:, n_whole] = _window_means(x[:, n_whole * window :])
    return averaged


def _window_means(x: _Floats) -> _Floats:
    # As add.reduceat does: the first frame, and then the sum of the others.
    if x.shape[-2] == 1:
        return x[..., 0, :]
    return (x[..., 0, :] + _total(x[..., 1:, :])) / np.float32(x.shape[-2])


def _check_statistics(statistics: Sequence[str]) -> None:
    unknown = [name for name in statistics if name not in STATISTICS]
    if unknown or not statistics:
        raise RavfeatError(f"no statistic {', '.join(unknown) or '(none named)'}; choose from {', '.join(STATISTICS)}")


def _check_offsets(offsets: NDArray[np.int64], n_frames: int) -> None:
    lengths = np.diff(offsets)
    if len(offsets) < 1 or offsets[0] != 0 or offsets[-1] != n_frames:
        raise RavfeatError(f"offsets must run from 0 to the {n_frames} frames, got {offsets[:1]} to {offsets[-1:]}")
    if (lengths < 1).any():
        raise RavfeatError(f"clip {int(np.argmax(lengths < 1))} of {len(lengths)} has no frames; extract it again")
