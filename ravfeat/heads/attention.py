"""Attentive statistics pooling over windows, for batched heads.

Mean and standard deviation under learned weights: Okabe, Koshinaka & Shinoda 2018, "Attentive
statistics pooling for deep speaker embedding" (arXiv:1803.10963).

Conventions
-----------
Axes: L layers, H heads, B clips, T windows, D dimensions, S statistics (mean, or mean and std).
Constants and parameters of one head have no head axis, those of batched heads a leading one.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ravfeat.heads.parallel import on_processors
from ravfeat.heads.stacks.clip_moments import ClipMoments, clip_moments
from ravfeat.heads.stacks.moments import FLOOR
from ravfeat.heads.windows import Batch, Windows

__all__ = [
    "attend",
    "attended_moments",
    "layer_attention",
    "mean_attention",
    "pooled_layers",
    "pooling_constants",
    "pooling_params",
]

_LEAST = 1e-3
"""Smallest standard deviation of a statistic over clips, in standard deviations of its windows."""


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
    alpha = weights.unsqueeze(-2)  # (..., T) -> (..., 1, T)
    mean = alpha @ x  # (..., 1, T) @ (..., T, D) -> (..., 1, D)
    if not std:
        return mean
    squares = x.square() if variances is None else x.square() + variances
    # Rounding can leave a tiny negative number; the root of the floor is far below any real spread.
    spread = (alpha @ squares - mean.square()).clamp_min(FLOOR).sqrt()
    return torch.cat([mean, spread], dim=-2)


def pooling_constants(windows: Windows, rows: Sequence[NDArray[np.int64]], *, std: bool) -> dict[str, Tensor]:
    """Scale of windows, and of uniformly pooled statistics, over the training rows of every head.

    Parameters
    ----------
    windows : Windows
    rows : sequence of ndarray of int64, one per head
    std : bool
        Scale the standard deviation too.

    Returns
    -------
    dict of Tensor
        ``window_mean`` and ``window_std`` of shape (H, L, 1, 1, D); ``pooled_mean``, around the window mean, and
        ``pooled_std`` of shape (H, L, 1, S, D).
    """
    places = [torch.from_numpy(head_rows).to(windows.device) for head_rows in rows]
    shares = [windows.lengths[head_rows] / windows.lengths[head_rows].sum() for head_rows in places]

    def of_layer(moments: ClipMoments) -> dict[str, Tensor]:
        heads = [_scales(moments, head_rows, share, std=std) for head_rows, share in zip(places, shares, strict=True)]
        return {name: torch.stack([scales[name] for scales in heads]) for name in heads[0]}

    layers = on_processors(of_layer, clip_moments(windows), windows.device)
    return {name: torch.stack([layer[name] for layer in layers], dim=1) for name in layers[0]}


def _scales(moments: ClipMoments, rows: Tensor, share: Tensor, *, std: bool) -> dict[str, Tensor]:
    """Scales of one layer, of one head that trains on `rows`, each of which has a share of all windows."""
    means = moments.mean[rows]  # (n, D)
    # Every window counts once, so a clip counts by its length.
    center = share @ means
    means -= center  # squares stay small
    # Variance inside the clips plus variance between them.
    variance = share @ (moments.variance[rows] + means.square())
    window_std = variance.clamp_min(FLOOR).sqrt()
    statistics = torch.stack([means, moments.spread(rows)] if std else [means])  # (S, n, D)
    # What hardly differs from clip to clip is rounding, and must not be blown up.
    least = (_LEAST * window_std).clamp_min(FLOOR**0.5)
    return {
        "window_mean": center[None, None],
        "window_std": window_std[None, None],
        "pooled_mean": statistics.mean(1)[None],
        "pooled_std": statistics.std(1, unbiased=False).maximum(least)[None],
    }


def pooling_params(windows: Windows) -> dict[str, Tensor]:
    """First parameters of `pooled_layers`: uniform attention, equal layers."""
    return {
        "attention": torch.zeros(len(windows.layers), windows.dim, device=windows.device),
        "layer_mix": torch.zeros(len(windows.layers), device=windows.device),
    }


def layer_attention(params: dict[str, Tensor], constants: dict[str, Tensor], batch: Batch) -> tuple[Tensor, Tensor]:
    """Weigh the windows of every layer by itself.

    The windows of `batch` are overwritten.

    Returns
    -------
    weights : Tensor of shape (L, H, B, T)
        Sum to 1 over T.
    x : Tensor of shape (L, H, B, T, D)
        Windows around the mean of the training windows.
    """
    x = batch.means.sub_(constants["window_mean"].transpose(0, 1))  # the batch is ours, and this saves a copy of it
    # x is only centred: dividing the small attention by the scale spares a division of every window.
    direction = params["attention"].transpose(0, 1)[:, :, None, None] / constants["window_std"].transpose(0, 1)
    # direction: (L, H, 1, 1, D)
    return attend((x @ direction.transpose(-1, -2)).squeeze(-1), batch.padding), x


def mean_attention(params: dict[str, Tensor], constants: dict[str, Tensor], batch: Batch) -> Tensor:
    """Average the attention of all layers, each by its weight in the head, to shape (H, B, T).

    A layer that the classifier hardly sees should say little about where the head listened.
    """
    weights, _ = layer_attention(params, constants, batch)
    mix = params["layer_mix"].softmax(-1)  # (H, L), sums to 1
    return torch.einsum("hl,lhbt->hbt", mix, weights)


def pooled_layers(params: dict[str, Tensor], constants: dict[str, Tensor], batch: Batch, *, std: bool) -> Tensor:
    """Pool every layer with its attention, standardise it, scale it by its weight, and lay all side by side.

    The windows of `batch` are overwritten.

    Returns
    -------
    Tensor of shape (H, B, L * S * D)
    """
    scale = {name: value.transpose(0, 1) for name, value in constants.items()}  # (H, L, ...) -> (L, H, ...)
    weights, x = layer_attention(params, constants, batch)
    pooled = attended_moments(weights, x, batch.variances, std=std)  # (L, H, B, S, D)
    # Weights with mean 1, so that the classifier sees features of unit scale however many layers there are.
    mix = params["layer_mix"].softmax(-1) * params["layer_mix"].shape[-1]  # (H, L)
    z = (pooled - scale["pooled_mean"]) / scale["pooled_std"] * mix.T[:, :, None, None, None]
    return z.permute(1, 2, 0, 3, 4).flatten(2)  # (L, H, B, S, D) -> (H, B, L * S * D)
