"""The parts of a training step that depend on nothing but their arguments: clips, seeds, learning rate, windows.

Seeds come from names (seed, fold, epoch, step) and never from what was drawn before, so a training that was
interrupted goes on as if it had not been.

Conventions
-----------
Axes: L layers, B clips, T frames, D dimensions, W windows. The last window of a clip averages the frames it has,
as in `ravfeat.numerics.pooling.average_frames`.
"""

import hashlib
import json
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

__all__ = ["draw_of", "epoch_batches", "n_batches", "n_windows", "rate_factor", "window_means"]

Rows = NDArray[np.int64]


def draw_of(purpose: str, *numbers: int) -> int:
    """Give the seed of one draw, from 0 to 2 ** 63 - 1.

    Examples
    --------
    >>> draw_of("order", 0, 1) == draw_of("order", 0, 1), draw_of("order", 0, 1) == draw_of("order", 0, 2)
    (True, False)
    """
    # As JSON, so that (1, 23) and (12, 3) are two texts.
    text = json.dumps([purpose, *numbers])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def epoch_batches(rows: Rows, batch_clips: int, *numbers: int) -> list[Rows]:
    """Shuffle rows and deal them into as equal batches as can be.

    Parameters
    ----------
    rows : ndarray of int64
    batch_clips : int
        A batch holds at most as many.
    *numbers
        Seed, fold and epoch.
    """
    order = np.random.default_rng(draw_of("order", *numbers)).permutation(rows)
    return np.array_split(order, n_batches(len(rows), batch_clips))


def n_batches(n_rows: int, batch_clips: int) -> int:
    """Count the batches of an epoch."""
    return -(-n_rows // batch_clips)


def rate_factor(step: int, total: int, warm_up: float) -> float:
    """Learning rate as a share of its peak: up in a straight line, down in a straight line.

    Parameters
    ----------
    step : int
        From 0.
    total : int
    warm_up : float
        Share of the steps in which the rate rises.

    Examples
    --------
    >>> [rate_factor(step, 5, 0.2) for step in range(5)]
    [1.0, 1.0, 0.75, 0.5, 0.25]
    """
    rising = max(1, round(warm_up * total))
    if step < rising:
        return (step + 1) / rising
    return (total - step) / max(1, total - rising)


def n_windows(n_frames: int, window: int) -> int:
    """Count the windows of a clip."""
    return -(-n_frames // window)


def window_means(x: Tensor, lengths: Sequence[int], window: int) -> Tensor:
    """Average neighbouring frames as heads average stored ones, with gradients flowing through.

    Parameters
    ----------
    x : Tensor of shape (L, B, T, D)
    lengths : sequence of int
        Frames of every clip without its padding; at most T.
    window : int

    Returns
    -------
    Tensor of shape (L, B, W, D)
        Zero beyond the clip's last window.
    """
    widest = n_windows(max(lengths), window)
    valid = torch.arange(x.shape[2]) < torch.tensor(lengths)[:, None]  # (B, T)
    # Padding may hold NaN, and NaN times 0 is NaN: it is replaced, not multiplied away.
    x = torch.where(valid.to(x.device)[:, :, None], x, 0.0)[:, :, : widest * window]
    # Filled up with zeros to whole windows; the counts below leave the zeros out.
    x = functional.pad(x, (0, 0, 0, widest * window - x.shape[2]))
    starts = torch.arange(widest) * window
    # At least 1, so that a window of padding alone is 0 / 1 and not 0 / 0.
    counts = (torch.tensor(lengths)[:, None] - starts).clamp(1, window).to(x.device, x.dtype)  # (B, W)
    windows = x.reshape(*x.shape[:2], widest, window, x.shape[3])  # (L, B, W * window, D) -> (L, B, W, window, D)
    return windows.sum(3) / counts[:, :, None]
