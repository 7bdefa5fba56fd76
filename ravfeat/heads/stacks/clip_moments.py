"""Mean and variance over the windows of every clip: the scales of all folds are averages of them.

Conventions
-----------
Axes: L layers, N clips, C clips of a group, T windows, D dimensions.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ravfeat.heads.parallel import on_processors
from ravfeat.heads.stacks.batch import StepClips, by_length
from ravfeat.heads.stacks.moments import FLOOR, Buffers
from ravfeat.heads.windows import Group, Windows

__all__ = ["ClipMoments", "clip_moments"]

_AT_ONCE = 64


@dataclass(frozen=True)
class ClipMoments:
    """Moments of one layer.

    Attributes
    ----------
    mean : Tensor of shape (N, D), float32
    variance : Tensor of shape (N, D), float32
        Between the windows of a clip.
    inside : Tensor of shape (N, D), float32, or None
        Mean over its windows of the variance inside them, where it is known.
    """

    mean: Tensor
    variance: Tensor
    inside: Tensor | None

    def spread(self, rows: Tensor) -> Tensor:
        """Give the standard deviation of clips' frames, as far as it is known: (n, D)."""
        total = self.variance[rows] if self.inside is None else self.variance[rows] + self.inside[rows]
        return total.clamp_min(FLOOR).sqrt()


def clip_moments(windows: Windows) -> tuple[ClipMoments, ...]:
    """Give the moments of every layer; they are computed in one pass and kept with the windows."""
    moments: tuple[ClipMoments, ...] | None = windows.shared.get("moments")
    if moments is None:
        # Longest first, so that the clips of a group have nearly one length and little is padded.
        order = by_length(windows, np.arange(len(windows.lengths)))
        groups = [
            group
            for start in range(0, len(order), _AT_ONCE)
            for group in StepClips.of(windows, order[start : start + _AT_ONCE]).groups[0]
        ]
        layers = range(len(windows.layers))
        moments = tuple(on_processors(lambda layer: _moments(windows, layer, groups), layers, windows.device))
        windows.shared["moments"] = moments
    return moments


def _moments(windows: Windows, layer: int, groups: list[Group]) -> ClipMoments:
    n_clips, dim, device = len(windows.lengths), windows.dim, windows.device
    buffers = Buffers(device)
    mean, variance = (torch.empty(n_clips, dim, device=device) for _ in range(2))
    inside = None if windows.variances is None else torch.empty_like(mean)
    for group in groups:
        rows = group.places
        weights = _uniform(group, device)
        x = _read(windows, layer, group, buffers, variances=False)
        mean[rows] = torch.bmm(weights, x)[:, 0]
        # Around the mean before squaring: the difference of two large squares would lose digits.
        x.sub_(mean[rows][:, None])
        variance[rows] = torch.bmm(weights, x.square_())[:, 0]
        if inside is not None:
            inside[rows] = torch.bmm(weights, _read(windows, layer, group, buffers, variances=True))[:, 0]
    return ClipMoments(mean, variance, inside)


def _uniform(group: Group, device: torch.device) -> Tensor:
    """Equal weights of a clip's windows: (C, 1, T)."""
    lengths = torch.tensor(group.lengths, dtype=torch.float32, device=device)[:, None, None]
    weights = (1 / lengths).expand(-1, 1, group.shape[1]).clone()
    return weights if group.padding is None else weights.masked_fill_(group.padding, 0)


def _read(windows: Windows, layer: int, group: Group, buffers: Buffers, *, variances: bool) -> Tensor:
    x = buffers.lend("x", len(group.index), windows.dim)
    return windows.fill(layer, group, buffers, x, variances=variances).view(*group.shape, windows.dim)
