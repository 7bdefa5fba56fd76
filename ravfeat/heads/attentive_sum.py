"""The published head: a learned sum of layers, then attentive pooling, then a small network.

One softmax weight per layer mixes all layers into one before anything is pooled, as in SUPERB
(Yang et al. 2021, arXiv:2105.01051); the mix is pooled to an attended mean and standard deviation,
normalised clip by clip, and classified. Training stops at the best epoch on the validation actors.

Conventions
-----------
Axes: L layers, H heads, B clips, T windows, D dimensions, S statistics, K classes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ravfeat.documents import Count, Positive, Share
from ravfeat.heads.attention import attend, attended_moments
from ravfeat.heads.network import Dropout, Network, first_weights
from ravfeat.heads.neural import NeuralHead
from ravfeat.heads.stacks.base import Start
from ravfeat.heads.stacks.summed import SummedStack
from ravfeat.heads.windows import Batch, Windows

__all__ = ["AttentiveSumHead", "AttentiveSumNet"]


@dataclass(frozen=True)
class AttentiveSumNet(Network):
    """Heads of the published kind, batched.

    Parameters
    ----------
    std : bool
        Pool to mean and standard deviation, or to the mean alone.
    attention : int
        Width of the attention's hidden layer.
    hidden : int
        Width of the classifier's hidden layer.
    dropout : float
        Share of hidden units dropped in training.
    """

    std: bool
    attention: int
    hidden: int
    dropout: float

    def constants(self, windows: Windows, rows: Sequence[NDArray[np.int64]]) -> dict[str, Tensor]:
        """Nothing is fixed before training but a placeholder that carries the head axis."""
        return {"none": torch.zeros(len(rows), device=windows.device)}

    def init(self, windows: Windows, n_classes: int, generator: torch.Generator) -> dict[str, Tensor]:
        """First parameters: equal layers, random weights."""
        device, width = windows.device, windows.dim * (2 if self.std else 1)
        return {
            "layer_mix": torch.zeros(len(windows.layers), device=device),
            "attention_weight": first_weights(generator, windows.dim, self.attention),
            "attention_bias": torch.zeros(self.attention, device=device),
            "attention_out": first_weights(generator, self.attention, 1),
            "norm_gain": torch.ones(width, device=device),
            "norm_bias": torch.zeros(width, device=device),
            "hidden_weight": first_weights(generator, width, self.hidden),
            "hidden_bias": torch.zeros(self.hidden, device=device),
            "class_weight": first_weights(generator, self.hidden, n_classes),
            "class_bias": torch.zeros(n_classes, device=device),
        }

    def forward(
        self, params: dict[str, Tensor], constants: dict[str, Tensor], batch: Batch, dropout: Dropout
    ) -> Tensor:
        """Logits of shape (H, B, K)."""
        mix = _mix(params)
        x = _mixed(mix, batch.means)
        # Variance of a weighted sum, as if layers did not vary together inside a window: squared weights.
        variances = None if batch.variances is None else _mixed(mix.square(), batch.variances)
        weights = _attention(params, x, batch.padding)
        z = attended_moments(weights, x, variances, std=self.std).flatten(2)  # (H, B, S, D) -> (H, B, S * D)
        return _classify(z, params, lambda hidden: dropout(hidden, self.dropout))

    def window_weights(self, params: dict[str, Tensor], constants: dict[str, Tensor], batch: Batch) -> Tensor:
        """Attention to the windows of the weighted sum of layers; see `ravfeat.heads.network.WeighsWindows`."""
        return _attention(params, _mixed(_mix(params), batch.means), batch.padding)

    def stack(self, start: Start) -> SummedStack:
        """Put heads into training."""
        return SummedStack(_classify, start, std=self.std, dropout=self.dropout)

    def step_bytes(self, windows: Windows, n_clips: int) -> tuple[int, int]:
        """Estimate the memory of a step; see `Network.step_bytes`."""
        return SummedStack.step_bytes(windows, n_clips, self.attention)


def _classify(z: Tensor, params: dict[str, Tensor], dropped: Callable[[Tensor], Tensor]) -> Tensor:
    """From pooled statistics, (H, B, S * D), to logits, (H, B, K)."""
    z = functional.layer_norm(z, z.shape[-1:]) * params["norm_gain"][:, None] + params["norm_bias"][:, None]
    z = dropped(torch.relu(z @ params["hidden_weight"] + params["hidden_bias"][:, None]))
    return z @ params["class_weight"] + params["class_bias"][:, None]


def _mix(params: dict[str, Tensor]) -> Tensor:
    """Weights of layers, (L, H)."""
    return params["layer_mix"].softmax(-1).T


def _attention(params: dict[str, Tensor], x: Tensor, padding: Tensor) -> Tensor:
    """Weigh the windows of mixed layers: (H, B, T, D) -> (H, B, T)."""
    flat = x.flatten(1, 2)  # (H, B, T, D) -> (H, B * T, D)
    hidden = torch.tanh(flat @ params["attention_weight"] + params["attention_bias"][:, None])
    return attend((hidden @ params["attention_out"]).reshape(x.shape[:-1]), padding)


def _mixed(mix: Tensor, values: Tensor) -> Tensor:
    """Weighted sum over layers: (L, H), (L, H, B, T, D) -> (H, B, T, D)."""
    # Layer by layer: one product over the layer axis would hold a copy of all layers for every head.
    total = mix[0][:, None, None, None] * values[0]
    for layer in range(1, len(mix)):
        total = torch.addcmul(total, mix[layer][:, None, None, None], values[layer])
    return total


@dataclass(frozen=True, kw_only=True)
class AttentiveSumHead(NeuralHead):
    """The published head; see `NeuralHead` for the settings both attentive heads have.

    Parameters
    ----------
    attention : int
        Width of the attention's hidden layer.
    """

    name: ClassVar[str] = "attentive-sum"

    attention: Count = 128
    hidden: Count = 256
    dropout: Share = 0.3
    epochs: Count = 24
    lr: Positive = 2e-3

    def net(self) -> AttentiveSumNet:
        """Build the network these settings describe."""
        return AttentiveSumNet(std=self.std, attention=self.attention, hidden=self.hidden, dropout=self.dropout)
