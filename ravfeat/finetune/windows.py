"""Frames averaged over windows with gradients flowing through, as heads average stored ones.

Conventions
-----------
Axes: L layers, B clips, T frames, D dimensions, W windows. The last window of a clip averages the frames it has,
as in `ravfeat.numerics.pooling.average_frames`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["n_windows", "window_means"]


def n_windows(n_frames: int, window: int) -> int:
    """Count the windows of a clip."""
    return -(-n_frames // window)


def window_means(x: Tensor, lengths: Sequence[int], window: int) -> Tensor:
    """Average neighbouring frames.

    Parameters
    ----------
    x : Tensor of shape (L, B, T, D)
    lengths : sequence of int
        Own frames of every clip; at most T.
    window : int

    Returns
    -------
    Tensor of shape (L, B, W, D)
        Zero beyond the clip's own windows.
    """
    widest = n_windows(max(lengths), window)
    own = torch.arange(x.shape[2]) < torch.tensor(lengths)[:, None]  # (B, T)
    x = torch.where(own.to(x.device)[:, :, None], x, 0.0)[:, :, : widest * window]
    x = functional.pad(x, (0, 0, 0, widest * window - x.shape[2]))
    starts = torch.arange(widest) * window
    counts = (torch.tensor(lengths)[:, None] - starts).clamp(1, window).to(x.device, x.dtype)  # (B, W)
    windows = x.reshape(*x.shape[:2], widest, window, x.shape[3])  # (L, B, W * window, D) -> (L, B, W, window, D)
    return windows.sum(3) / counts[:, :, None]
