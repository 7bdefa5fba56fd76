"""Fused attention kernel for WavLM.

transformers computes WavLM's attention in separate steps, because its weights are biased by relative positions and a
gate; every (T, T) table is written to memory several times. Here the gated bias is the additive mask of
`torch.nn.functional.scaled_dot_product_attention`. The sums are the same in another order: hidden states differ by
less than 1e-5 relative, so the kernel is recorded as provenance and is not part of the identity. HuBERT, wav2vec
2.0, UniSpeech and Whisper use that kernel in transformers already.

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
    """Replacement of the library's attention, with the same parameter names; fused when no gradients are computed.

    With gradients (`fine-tune`) the library's own steps run, dropout included.

    Parameters
    ----------
    of : WavLMAttention
        The module to replace; its parameters are shared, not copied.
    """

    def __init__(self, of: WavLMAttention) -> None:
        with torch.device("meta"):  # allocates no memory for parameters that are replaced right after
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
            1 for frames of the clip, 0 for padding.
        position_bias : Tensor of shape (B * H, T, T), optional
            From the layer before; None in the first layer, which computes it for all.

        Returns
        -------
        output : Tensor of shape (B, T, D)
        weights : None
            The fused kernel never materialises them.
        position_bias : Tensor of shape (B * H, T, T)
        """
        if torch.is_grad_enabled() or self.training:
            result: tuple[Tensor, Tensor, Tensor] = super().forward(
                hidden_states, attention_mask, position_bias, **kwargs
            )
            return result
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
        # The library projects to 2 x 4 values and then sums each four; summing the weights first gives the same with
        # a quarter of the products.
        heads = hidden_states.view(*hidden_states.shape[:2], self.num_heads, -1)
        weight = self.gru_rel_pos_linear.weight.view(2, 4, -1).sum(1)
        both = functional.linear(heads, weight, self.gru_rel_pos_linear.bias.view(2, 4).sum(1))
        a, b = torch.sigmoid(both.transpose(1, 2)).chunk(2, dim=-1)  # (B, T, H, 2) -> two of (B, H, T, 1)
        gate: Tensor = a * (b * self.gru_rel_pos_const - 1.0) + 2.0
        return gate


def fuse_attention(model: Any) -> None:
    """Replace the attention of a loaded WavLM by the fused one; leave other models unchanged.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        Changed in place; names and values of its parameters stay the same.
    """
    if model.config.model_type != "wavlm":
        return
    for layer in model.encoder.layers:
        layer.attention = FusedWavLMAttention(layer.attention)


def attention_of(model: Any) -> str:
    """Name the attention implementation of a model, for the provenance; ``sdpa`` is torch's fused kernel."""
    if any(isinstance(module, FusedWavLMAttention) for module in model.modules()):
        return "sdpa"
    return str(getattr(model.config, "_attn_implementation", None) or "eager")
