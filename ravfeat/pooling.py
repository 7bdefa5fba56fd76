"""Statistics over the frames of each clip, and averages of neighbouring frames.

Conventions
-----------
Axes: N clips, F frames of all clips one after another, L layers, D dimensions, S statistics.
Clip ``i`` owns ``frames[offsets[i]:offsets[i + 1]]``. Frames may be float16; they are widened to
float32 clip by clip, never all at once.

Offers
------
STATISTICS, pool_frames, average_frames.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import RavfeatError

__all__ = ["STATISTICS", "average_frames", "pool_frames"]

_Floats = NDArray[np.float32]


def _mean(x: _Floats) -> _Floats:
    return np.asarray(x.mean(-1), np.float32)


def _std(x: _Floats) -> _Floats:
    return np.asarray(x.std(-1), np.float32)


def _speed(x: _Floats) -> _Floats:
    if x.shape[-1] < 2:
        return np.zeros(x.shape[:-1], np.float32)
    return np.asarray(np.abs(np.diff(x, axis=-1)).mean(-1), np.float32)


def _quantile(q: float) -> Callable[[_Floats], _Floats]:
    def of_sorted(x: _Floats) -> _Floats:
        position = q * (x.shape[-1] - 1)
        below = int(position)
        above = min(below + 1, x.shape[-1] - 1)
        share = np.float32(position - below)
        return np.asarray(x[..., below] * (1 - share) + x[..., above] * share, np.float32)

    return of_sorted


_IN_TIME: dict[str, Callable[[_Floats], _Floats]] = {"mean": _mean, "std": _std, "speed": _speed}
_OF_SORTED: dict[str, Callable[[_Floats], _Floats]] = {
    "min": _quantile(0.0),
    "q10": _quantile(0.1),
    "q25": _quantile(0.25),
    "median": _quantile(0.5),
    "q75": _quantile(0.75),
    "q90": _quantile(0.9),
    "max": _quantile(1.0),
}

STATISTICS: tuple[str, ...] = (*_IN_TIME, *_OF_SORTED)
"""What `pool_frames` can compute: ``std`` divides by the number of frames, ``speed`` is the mean
absolute difference of neighbouring frames, quantiles interpolate linearly."""


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
    needs_order = any(name in _OF_SORTED for name in statistics)
    for clip in range(len(pooled)):
        own = frames[offsets[clip] : offsets[clip + 1]]
        own = own if layers is None else own[:, keep]
        x = np.ascontiguousarray(own.transpose(1, 2, 0), dtype=np.float32)  # (T, L, D) -> (L, D, T)
        ordered = np.sort(x, axis=-1) if needs_order else x
        for s, name in enumerate(statistics):
            pooled[clip, :, s] = _IN_TIME[name](x) if name in _IN_TIME else _OF_SORTED[name](ordered)
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
    keep = slice(None) if layers is None else list(layers)
    if window == 1:
        return frames[:, keep], np.asarray(offsets, np.int64)
    counts = -(-np.diff(offsets) // window)
    new_offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    n_layers = frames.shape[1] if layers is None else len(layers)
    averaged = np.empty((int(new_offsets[-1]), n_layers, frames.shape[2]), frames.dtype)
    for clip in range(len(counts)):
        own = np.asarray(frames[offsets[clip] : offsets[clip + 1]][:, keep], np.float32)
        starts = np.arange(0, len(own), window)
        sizes = np.minimum(window, len(own) - starts).astype(np.float32)
        sums = np.add.reduceat(own, starts, axis=0)
        averaged[new_offsets[clip] : new_offsets[clip + 1]] = sums / sizes[:, None, None]
    return averaged, new_offsets


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
