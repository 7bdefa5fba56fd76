"""The default head: attentive pooling of every layer by itself, a small classifier on all of them.

Every layer is pooled to an attended mean and standard deviation; these are standardised by fixed
statistics of the training clips, scaled by learned layer weights, and concatenated. Attention
starts uniform, so that the first step sees what a plain pooled head would see.

Conventions
-----------
Axes: L layers, H heads, B clips, T windows, D dimensions, S statistics, K classes.

Offers
------
AttentiveHead, AttentiveNet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ravfeat.heads.attention import attend, attended_moments, uniform_scale, window_scale
from ravfeat.heads.base import Sweep
from ravfeat.heads.checks import candidate_scores
from ravfeat.heads.fit import Dropout, first_weights
from ravfeat.heads.neural import NeuralHead, best_epoch
from ravfeat.heads.windows import Batch, Windows

__all__ = ["AttentiveHead", "AttentiveNet"]

CLEARLY = 0.05
"""Lead in validation UAR that makes an earlier epoch than the last one worth choosing."""


@dataclass(frozen=True)
class AttentiveNet:
    """Stacked attentive heads.

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

    def constants(self, windows: Windows, rows: NDArray[np.int64]) -> dict[str, Tensor]:
        """Scale of windows and of uniformly pooled statistics over the training rows."""
        scale = window_scale(windows, rows)
        pooled = uniform_scale(windows, rows, scale[0], std=self.std)
        return {"window_mean": scale[0], "window_std": scale[1], "pooled_mean": pooled[0], "pooled_std": pooled[1]}

    def init(self, windows: Windows, n_classes: int, generator: torch.Generator) -> dict[str, Tensor]:
        """First parameters: uniform attention, equal layers, a random classifier."""
        n_layers, dim, device = len(windows.layers), windows.dim, windows.device
        width = n_layers * dim * (2 if self.std else 1)
        return {
            "attention": torch.zeros(n_layers, dim, device=device),
            "layer_mix": torch.zeros(n_layers, device=device),
            "hidden_weight": first_weights(generator, width, self.hidden),
            "hidden_bias": torch.zeros(self.hidden, device=device),
            "class_weight": first_weights(generator, self.hidden, n_classes),
            "class_bias": torch.zeros(n_classes, device=device),
        }

    def forward(
        self, params: dict[str, Tensor], constants: dict[str, Tensor], batch: Batch, dropout: Dropout | None
    ) -> Tensor:
        """Logits of shape (H, B, K)."""
        scale = {name: value.transpose(0, 1) for name, value in constants.items()}  # (H, L, ...) -> (L, H, ...)
        x = batch.means.sub_(scale["window_mean"])  # (L, H, B, T, D); the batch is ours, and this saves a copy of it
        direction = params["attention"].transpose(0, 1)[:, :, None, None] / scale["window_std"]  # (L, H, 1, 1, D)
        weights = attend((x @ direction.transpose(-1, -2)).squeeze(-1), batch.padding)
        pooled = attended_moments(weights, x, batch.variances, std=self.std)  # (L, H, B, S, D)
        mix = params["layer_mix"].softmax(-1) * params["layer_mix"].shape[-1]  # (H, L), mean 1
        z = (pooled - scale["pooled_mean"]) / scale["pooled_std"] * mix.T[:, :, None, None, None]
        z = z.permute(1, 2, 0, 3, 4).flatten(2)  # (L, H, B, S, D) -> (H, B, L * S * D)
        z = dropout(z, self.feature_dropout) if dropout else z
        z = functional.gelu(z @ params["hidden_weight"] + params["hidden_bias"][:, None])
        z = dropout(z, self.dropout) if dropout else z
        return z @ params["class_weight"] + params["class_bias"][:, None]


@dataclass(frozen=True, kw_only=True)
class AttentiveHead(NeuralHead):
    """Attentive pooling per layer; see `NeuralHead` for the settings both attentive heads have.

    Parameters
    ----------
    feature_dropout : float
        Share of pooled features dropped in training.
    """

    name: ClassVar[str] = "attentive"

    feature_dropout: float = 0.3

    def net(self) -> AttentiveNet:
        """Build the network these settings describe."""
        return AttentiveNet(
            std=self.std, hidden=self.hidden, feature_dropout=self.feature_dropout, dropout=self.dropout
        )

    def choose(self, sweeps: Sequence[Sweep], y_val: Sequence[NDArray[np.int64]]) -> int:
        """Median of the inner folds' best epochs; with a single sweep, the last epoch.

        One fold's few validation actors cannot tell late epochs of an annealed, averaged schedule
        apart: their best epoch is chance. The last one is kept unless another is better by
        `CLEARLY`.
        """
        if len(sweeps) > 1:
            return best_epoch(sweeps, y_val)
        uar, _ = candidate_scores(sweeps, y_val)
        best = int(np.argmax(uar))
        return best if uar[best] > uar[-1] + CLEARLY else len(uar) - 1
