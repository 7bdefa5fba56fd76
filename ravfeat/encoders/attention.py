"""WavLM's attention through torch's fused kernel.

transformers computes WavLM's attention step by step, because its weights are biased by relative positions and a
gate; every (T, T) table is written to memory several times. Here the gated bias is the additive mask of
`torch.nn.functional.scaled_dot_product_attention`. The same sums in another order: hidden states differ by less than
1e-5 relative, so this is provenance, never identity. HuBERT, wav2vec 2.0, UniSpeech and Whisper ask transformers
for that kernel themselves.

Conventions
-----------
Axes: B clips, H heads, T frames, D dimensions.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers.models.wavlm.modeling_wavlm import WavLMAttention

__all__ = ["FusedWavLMAttention", "attention_of", "fuse_attention"]


class FusedWavLMAttention(WavLMAttention):  # type: ignore[misc]  # transformers has no types
    """The library's attention, with its names and weights; fused wherever no gradient is asked for.

    With gradients (`fine-tune`) the library's own steps are run, dropout and all.

    Parameters
    ----------
    of : WavLMAttention
        Gives its parameters; they are shared, not copied.
    """

    def __init__(self, of: WavLMAttention) -> None:
        with torch.device("meta"):  # nothing is allocated for what is about to be replaced
            super().__init__(
                of.embed_dim, of.num_heads, of.dropout, of.num_buckets, of.max_distance, hasattr(of, "rel_attn_embed")
            )
        self.load_state_dict(of.state_dict(), assign=True)
        self.train(of.training)

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        position_bias: Tensor | None = None,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """Attend.

        Parameters
        ----------
        hidden_states : Tensor of shape (B, T, D)
        attention_mask : Tensor of shape (B, T), optional
            1 where a frame is the clip's own.
        position_bias : Tensor of shape (B * H, T, T), optional
            As the layer before gave it; the first layer makes it.

        Returns
        -------
        output : Tensor of shape (B, T, D)
        weights : None
            The fused kernel never has them; the library's steps give them.
        position_bias : Tensor of shape (B * H, T, T)
        """
        if torch.is_grad_enabled() or self.training:
            given: tuple[Tensor, Tensor, Tensor] = super().forward(
                hidden_states, attention_mask, position_bias, **kwargs
            )
            return given
        n_clips, n_frames, dim = hidden_states.shape
        if position_bias is None:
            position_bias = self.compute_bias(n_frames, n_frames).repeat(n_clips, 1, 1)
        bias = self._gate(hidden_states) * position_bias.view(n_clips, self.num_heads, n_frames, n_frames)
        if attention_mask is not None:
            bias.masked_fill_(attention_mask.ne(1)[:, None, None, :], float("-inf"))
        query, key, value = (
            project(hidden_states).view(n_clips, n_frames, self.num_heads, -1).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )  # (B, T, D) -> (B, H, T, D / H)
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return self.out_proj(attended.transpose(1, 2).reshape(n_clips, n_frames, dim)), None, position_bias

    def _gate(self, hidden_states: Tensor) -> Tensor:
        # The library projects to 2 x 4 values and adds up the fours; adding up the weights first is the same sum.
        heads = hidden_states.view(*hidden_states.shape[:2], self.num_heads, -1)
        weight = self.gru_rel_pos_linear.weight.view(2, 4, -1).sum(1)
        both = functional.linear(heads, weight, self.gru_rel_pos_linear.bias.view(2, 4).sum(1))
        a, b = torch.sigmoid(both.transpose(1, 2)).chunk(2, dim=-1)  # (B, T, H, 2) -> two of (B, H, T, 1)
        gate: Tensor = a * (b * self.gru_rel_pos_const - 1.0) + 2.0
        return gate


def fuse_attention(model: Any) -> None:
    """Put the fused attention into the layers of a loaded WavLM; other models are left as they are.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        Changed in place; the names and values of its parameters stay.
    """
    if model.config.model_type != "wavlm":
        return
    for layer in model.encoder.layers:
        layer.attention = FusedWavLMAttention(layer.attention)


def attention_of(model: Any) -> str:
    """Name the attention a model computes with, for the provenance: ``sdpa`` is torch's fused kernel."""
    if any(isinstance(module, FusedWavLMAttention) for module in model.modules()):
        return "sdpa"
    return str(getattr(model.config, "_attn_implementation", None) or "eager")
