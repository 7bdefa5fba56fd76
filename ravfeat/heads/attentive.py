"""Attentive pooling of every layer by itself, a small classifier on all of them.

Every layer is pooled to an attended mean and standard deviation; these are standardised by fixed
statistics of the training clips, scaled by learned layer weights, and concatenated. Attention
starts uniform, so that the first step sees what a plain pooled head would see.

Conventions
-----------
Axes: L layers, H heads, B clips, T windows, D dimensions, S statistics, K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ravfeat.documents import Count, Positive, Share
from ravfeat.heads.attention import mean_attention, pooled_layers, pooling_constants, pooling_params
from ravfeat.heads.base import Sweep
from ravfeat.heads.network import Dropout, Network, first_weights
from ravfeat.heads.neural import NeuralHead, last_or_clearly_better
from ravfeat.heads.stacks.base import Start
from ravfeat.heads.stacks.pooled import PooledSettings, PooledStack
from ravfeat.heads.windows import Batch, Windows

__all__ = ["AttentiveHead", "AttentiveNet"]


@dataclass(frozen=True)
class AttentiveNet(Network):
    """Attentive heads, batched.

    Parameters
    ----------
    std : bool
        Pool to mean and standard deviation, or to the mean alone.
    hidden : int
        Width of the classifier's hidden layer.
    feature_dropout, dropout : float
        Share of pooled features, and of hidden units, dropped in training.
    """

    std: bool
    hidden: int
    feature_dropout: float
    dropout: float

    def constants(self, windows: Windows, rows: Sequence[NDArray[np.int64]]) -> dict[str, Tensor]:
        """Scale of windows and of uniformly pooled statistics over the training rows."""
        return pooling_constants(windows, rows, std=self.std)

    def init(self, windows: Windows, n_classes: int, generator: torch.Generator) -> dict[str, Tensor]:
        """First parameters: uniform attention, equal layers, a random classifier."""
        device = windows.device
        width = len(windows.layers) * windows.dim * (2 if self.std else 1)
        return pooling_params(windows) | {
            "hidden_weight": first_weights(generator, width, self.hidden),
            "hidden_bias": torch.zeros(self.hidden, device=device),
            "class_weight": first_weights(generator, self.hidden, n_classes),
            "class_bias": torch.zeros(n_classes, device=device),
        }

    def forward(
        self, params: dict[str, Tensor], constants: dict[str, Tensor], batch: Batch, dropout: Dropout
    ) -> Tensor:
        """Logits of shape (H, B, K)."""
        z = pooled_layers(params, constants, batch, std=self.std)
        z = dropout(z, self.feature_dropout)
        z = functional.gelu(z @ params["hidden_weight"] + params["hidden_bias"][:, None])
        z = dropout(z, self.dropout)
        return z @ params["class_weight"] + params["class_bias"][:, None]

    def window_weights(self, params: dict[str, Tensor], constants: dict[str, Tensor], batch: Batch) -> Tensor:
        """Attention averaged over layers, each by its weight in the head; see `ravfeat.heads.network.WeighsWindows`."""
        return mean_attention(params, constants, batch)

    def stack(self, start: Start) -> PooledStack:
        """Put heads into training."""
        settings = PooledSettings(self.std, self.feature_dropout, self.dropout)
        return PooledStack(settings, start, ("",))

    def step_bytes(self, windows: Windows, n_clips: int) -> tuple[int, int]:
        """Estimate the memory of a step; see `Network.step_bytes`."""
        return PooledStack.step_bytes(windows, n_clips, self.hidden)


@dataclass(frozen=True, kw_only=True)
class AttentiveHead(NeuralHead):
    """Attentive pooling per layer; see `NeuralHead` for the settings both attentive heads have.

    Parameters
    ----------
    feature_dropout : float
        Share of pooled features dropped in training.
    """

    name: ClassVar[str] = "attentive"

    feature_dropout: Share = 0.3
    batch_size: Count = 64
    lr: Positive = 8e-4
    ema: Share = 0.98

    def net(self) -> AttentiveNet:
        """Build the network these settings describe."""
        return AttentiveNet(
            std=self.std, hidden=self.hidden, feature_dropout=self.feature_dropout, dropout=self.dropout
        )

    def choose(self, sweeps: Sequence[Sweep], y_val: Sequence[NDArray[np.int64]]) -> int:
        """Keep the last epoch of a single sweep unless another is clearly better."""
        return last_or_clearly_better(sweeps, y_val)
