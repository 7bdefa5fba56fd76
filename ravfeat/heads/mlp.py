"""Multilayer perceptron on pooled statistics: mean and standard deviation of all layers, one hidden layer.

What `ravfeat.heads.attentive` is without attention and layer weights, so that it says what these two are worth.
Statistics are standardised by those of the training clips.

Conventions
-----------
Axes: L layers, H heads, B clips, D dimensions, S statistics, K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ravfeat.documents import Count, Share
from ravfeat.features.clips import Reading
from ravfeat.heads.attention import pooled_layers, pooling_constants
from ravfeat.heads.base import Sweep
from ravfeat.heads.network import Dropout, Network, first_weights
from ravfeat.heads.neural import NeuralHead, last_or_clearly_better
from ravfeat.heads.windows import Batch, Windows

__all__ = ["MlpHead", "MlpNet"]


@dataclass(frozen=True)
class MlpNet(Network):
    """Perceptrons, batched.

    Parameters
    ----------
    std : bool
        Pool to mean and standard deviation, or to the mean alone.
    hidden : int
        Width of the hidden layer.
    feature_dropout, dropout : float
        Share of statistics, and of hidden units, dropped in training.
    """

    std: bool
    hidden: int
    feature_dropout: float
    dropout: float

    def constants(self, windows: Windows, rows: Sequence[NDArray[np.int64]]) -> dict[str, Tensor]:
        """Scale of the pooled statistics over the training rows."""
        return pooling_constants(windows, rows, std=self.std)

    def init(self, windows: Windows, n_classes: int, generator: torch.Generator) -> dict[str, Tensor]:
        """First parameters of one head."""
        device = windows.device
        width = len(windows.layers) * windows.dim * (2 if self.std else 1)
        return {
            "hidden_weight": first_weights(generator, width, self.hidden),
            "hidden_bias": torch.zeros(self.hidden, device=device),
            "class_weight": first_weights(generator, self.hidden, n_classes),
            "class_bias": torch.zeros(n_classes, device=device),
        }

    def forward(
        self, params: dict[str, Tensor], constants: dict[str, Tensor], batch: Batch, dropout: Dropout
    ) -> Tensor:
        """Logits of shape (H, B, K)."""
        n_layers, n_heads, *_, dim = batch.means.shape
        # Attention of zeros is uniform, and so are layer weights of zeros.
        uniform = {
            "attention": batch.means.new_zeros(n_heads, n_layers, dim),
            "layer_mix": batch.means.new_zeros(n_heads, n_layers),
        }
        z = dropout(pooled_layers(uniform, constants, batch, std=self.std), self.feature_dropout)
        z = functional.gelu(z @ params["hidden_weight"] + params["hidden_bias"][:, None])
        z = dropout(z, self.dropout)
        return z @ params["class_weight"] + params["class_bias"][:, None]


@dataclass(frozen=True, kw_only=True)
class MlpHead(NeuralHead):
    """One hidden layer on pooled statistics; see `NeuralHead` for its other settings.

    Parameters
    ----------
    feature_dropout : float
        Share of statistics dropped in training.
    """

    name: ClassVar[str] = "mlp"
    concatenated: ClassVar[bool] = True

    frame_average: Count = 1
    feature_dropout: Share = 0.3
    batch_size: Count = 64

    @property
    def reading(self) -> Reading:
        """Pooled statistics."""
        return Reading(statistics=("mean", "std"))

    def net(self) -> MlpNet:
        """Build the network these settings describe."""
        return MlpNet(std=self.std, hidden=self.hidden, feature_dropout=self.feature_dropout, dropout=self.dropout)

    def choose(self, sweeps: Sequence[Sweep], y_val: Sequence[NDArray[np.int64]]) -> int:
        """Keep the last epoch of a single sweep unless another is clearly better."""
        return last_or_clearly_better(sweeps, y_val)
