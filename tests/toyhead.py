"""The head that CONTRIBUTING adds as an example: a recurrent network in one file, trained by autograd."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ravfeat.heads.network import Dropout, Network, first_weights
from ravfeat.heads.neural import NeuralHead
from ravfeat.heads.windows import Batch, Windows

__all__ = ["RecurrentHead", "RecurrentNet"]


@dataclass(frozen=True)
class RecurrentNet(Network):
    """Minimal gated unit (Zhou et al. 2016) over a learned sum of layers, averaged over windows."""

    hidden: int
    dropout: float

    def init(self, windows: Windows, n_classes: int, generator: torch.Generator) -> dict[str, Tensor]:
        return {
            "layer_mix": torch.zeros(len(windows.layers), device=windows.device),
            "into": first_weights(generator, windows.dim, 2 * self.hidden),
            "across": first_weights(generator, self.hidden, 2 * self.hidden),
            "bias": torch.zeros(2 * self.hidden, device=windows.device),
            "class_weight": first_weights(generator, self.hidden, n_classes),
            "class_bias": torch.zeros(n_classes, device=windows.device),
        }

    def forward(
        self, params: dict[str, Tensor], constants: dict[str, Tensor], batch: Batch, dropout: Dropout
    ) -> Tensor:
        x = torch.einsum("hl,lhbtd->hbtd", params["layer_mix"].softmax(-1), batch.means)
        gates, states = torch.einsum("hbtd,hdw->thbw", x, params["into"]).add(params["bias"][:, None]).chunk(2, dim=-1)
        state, total = torch.zeros_like(states[0]), torch.zeros_like(states[0])  # (H, B, W)
        for t, valid in enumerate((~batch.padding).float().unbind(-1)):  # (H, B) each
            forget, candidate = (state @ params["across"]).chunk(2, dim=-1)
            gate = torch.sigmoid(gates[t] + forget)
            state = (1 - gate) * state + gate * torch.tanh(states[t] + gate * candidate)
            total = total + state * valid[..., None]
        z = dropout(total / (~batch.padding).sum(-1, keepdim=True), self.dropout)  # (H, B, W)
        return z @ params["class_weight"] + params["class_bias"][:, None]


@dataclass(frozen=True, kw_only=True)
class RecurrentHead(NeuralHead):
    """The head; `NeuralHead` has its settings, its sweep over epochs, `fit`, `restore` and the model."""

    name: ClassVar[str] = "toy-recurrent"

    def net(self) -> RecurrentNet:
        return RecurrentNet(hidden=self.hidden, dropout=self.dropout)
