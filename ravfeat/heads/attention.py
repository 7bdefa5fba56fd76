"""Attentive pooling over windows, for stacks of heads.

Mean and standard deviation under learned weights: Okabe, Koshinaka & Shinoda 2018, "Attentive
statistics pooling for deep speaker embedding" (arXiv:1803.10963).

Conventions
-----------
Axes: L layers, H heads, B clips, T windows, D dimensions, S statistics (mean, or mean and std).
Constants and parameters of one head have no head axis, those of a stack a leading one.

Offers
------
attend, attended_moments, window_scale, uniform_scale, pooling_constants, pooling_params, pooled_layers.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ravfeat.heads.windows import Batch, Windows

__all__ = [
    "attend",
    "attended_moments",
    "pooled_layers",
    "pooling_constants",
    "pooling_params",
    "uniform_scale",
    "window_scale",
]

_FLOOR = 1e-10
_CHUNK = 64


def attend(scores: Tensor, padding: Tensor) -> Tensor:
    """Softmax over windows.

    Parameters
    ----------
    scores : Tensor of shape (..., H, B, T)
    padding : Tensor of shape (H, B, T), bool

    Returns
    -------
    Tensor of the shape of `scores`
        Sums to 1 over T; 0 where there is padding.
    """
    return scores.masked_fill(padding, -torch.inf).softmax(-1)


def attended_moments(weights: Tensor, x: Tensor, variances: Tensor | None, *, std: bool) -> Tensor:
    """Weighted mean, and standard deviation, over windows.

    Parameters
    ----------
    weights : Tensor of shape (..., T)
    x : Tensor of shape (..., T, D)
    variances : Tensor of the same shape, or None
        Variance inside the windows, which adds to the variance between them.
    std : bool
        Give the standard deviation too.

    Returns
    -------
    Tensor of shape (..., S, D)
    """
    alpha = weights.unsqueeze(-2)
    mean = alpha @ x  # (..., 1, T) @ (..., T, D) -> (..., 1, D)
    if not std:
        return mean
    squares = x.square() if variances is None else x.square() + variances
    # Rounding can leave a tiny negative number; the root of the floor is far below any real spread.
    spread = (alpha @ squares - mean.square()).clamp_min(_FLOOR).sqrt()
    return torch.cat([mean, spread], dim=-2)


def window_scale(windows: Windows, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of all windows of some clips, per layer and dimension.

    Returns
    -------
    mean, std : Tensor of shape (L, 1, 1, D), float32
    """
    count = torch.zeros((), device=windows.device)
    total = torch.zeros(len(windows.layers), 1, 1, windows.dim, device=windows.device)
    squares = torch.zeros_like(total)
    for batch in _chunks(windows, rows):
        real = (~batch.padding).float()[0]  # (1, B, T) -> (B, T)
        x = batch.means[:, 0]  # (L, 1, B, T, D) -> (L, B, T, D)
        count += real.sum()
        total += (x * real[..., None]).sum((1, 2), keepdim=True)
        squares += (x.square() * real[..., None]).sum((1, 2), keepdim=True)
    mean = total / count
    return mean, (squares / count - mean.square()).clamp_min(_FLOOR).sqrt()


def uniform_scale(windows: Windows, rows: NDArray[np.int64], center: Tensor, *, std: bool) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation over clips of their uniformly pooled statistics.

    Parameters
    ----------
    center : Tensor of shape (L, 1, 1, D)
        Subtracted from the windows first, so that squares stay small.

    Returns
    -------
    mean, std : Tensor of shape (L, 1, S, D), float32
    """
    pooled = []
    for batch in _chunks(windows, rows):
        x = batch.means[:, 0].sub_(center)  # (L, 1, B, T, D) -> (L, B, T, D)
        variances = None if batch.variances is None else batch.variances[:, 0]
        weights = attend(torch.zeros_like(x[..., 0]), batch.padding[0])
        pooled.append(attended_moments(weights, x, variances, std=std))  # (L, B, S, D)
    clips = torch.cat(pooled, dim=1)
    return clips.mean(1, keepdim=True), clips.std(1, keepdim=True, unbiased=False).clamp_min(_FLOOR**0.5)


def pooling_constants(windows: Windows, rows: NDArray[np.int64], *, std: bool) -> dict[str, Tensor]:
    """Scale of windows and of uniformly pooled statistics over the training rows of one head."""
    scale = window_scale(windows, rows)
    pooled = uniform_scale(windows, rows, scale[0], std=std)
    return {"window_mean": scale[0], "window_std": scale[1], "pooled_mean": pooled[0], "pooled_std": pooled[1]}


def pooling_params(windows: Windows) -> dict[str, Tensor]:
    """First parameters of `pooled_layers`: uniform attention, equal layers."""
    return {
        "attention": torch.zeros(len(windows.layers), windows.dim, device=windows.device),
        "layer_mix": torch.zeros(len(windows.layers), device=windows.device),
    }


def pooled_layers(params: dict[str, Tensor], constants: dict[str, Tensor], batch: Batch, *, std: bool) -> Tensor:
    """Pool every layer by its own attention, standardise it, scale it by its weight, and lay all side by side.

    The windows of `batch` are used up.

    Returns
    -------
    Tensor of shape (H, B, L * S * D)
    """
    scale = {name: value.transpose(0, 1) for name, value in constants.items()}  # (H, L, ...) -> (L, H, ...)
    x = batch.means.sub_(scale["window_mean"])  # (L, H, B, T, D); the batch is ours, and this saves a copy of it
    direction = params["attention"].transpose(0, 1)[:, :, None, None] / scale["window_std"]  # (L, H, 1, 1, D)
    weights = attend((x @ direction.transpose(-1, -2)).squeeze(-1), batch.padding)
    pooled = attended_moments(weights, x, batch.variances, std=std)  # (L, H, B, S, D)
    mix = params["layer_mix"].softmax(-1) * params["layer_mix"].shape[-1]  # (H, L), mean 1
    z = (pooled - scale["pooled_mean"]) / scale["pooled_std"] * mix.T[:, :, None, None, None]
    return z.permute(1, 2, 0, 3, 4).flatten(2)  # (L, H, B, S, D) -> (H, B, L * S * D)


def _chunks(windows: Windows, rows: NDArray[np.int64]) -> Iterator[Batch]:
    for start in range(0, len(rows), _CHUNK):
        chunk = torch.from_numpy(np.ascontiguousarray(rows[None, start : start + _CHUNK]))
        yield windows.batch(chunk.to(windows.device))
