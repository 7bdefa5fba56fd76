"""Split a speech encoder for fine-tuning: frozen lower layers, trainable top layers.

The lower part (convolutions, positions, the first layers) reads one clip at a time, unpadded and without
gradients, so that its states equal those of the frozen encoder: padding would change the result of a group norm.
Only the top layers process batches; there an attention mask excludes padding.

Conventions
-----------
Axes: B clips, T frames, D dimensions; K lower layers, N top layers of K + N. Layer 0 is the input of the first
layer, as everywhere (`ravfeat.encoders.hidden_states`); the last layer is taken after the final norm.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers.masking_utils import create_bidirectional_mask

from ravfeat.encoders.base import Encoder, EncoderInput, EncoderSpec
from ravfeat.encoders.hidden_states import full_precision
from ravfeat.errors import EncoderError, UsageError

__all__ = ["SPLITTABLE", "SplitEncoder"]

SPLITTABLE = ("wavlm", "hubert", "wav2vec2", "unispeech", "unispeech-sat", "whisper")
"""Families whose layers are attention and dense layers only, so that a mask excludes padding exactly."""


class _ReachedError(Exception):
    """Stops a forward pass at the first top layer."""


class SplitEncoder:
    """An encoder whose top layers, and the norm after them, can be trained.

    All other parameters never require gradients; only the top layers leave evaluation mode.

    Parameters
    ----------
    encoder : Encoder
        From `ravfeat.encoders.registry.load_encoder`; training changes its top layers.
    n_top : int
        Number of trainable layers.

    Raises
    ------
    EncoderError
        For an encoder of a family that cannot be split.
    UsageError
        Where it has fewer layers.
    """

    def __init__(self, encoder: Encoder[Any], n_top: int) -> None:
        model, self._family = _model_of(encoder)
        self._model, whisper = model, self._family == "whisper"
        # Whether gradients keep only the input of every layer and compute the rest again: less memory, more time.
        self.recompute = False
        body = model if whisper else model.encoder
        self._layers: list[nn.Module] = list(body.layers)
        if not 1 <= n_top <= len(self._layers):
            raise UsageError(
                f"{n_top} top layers cannot be trained: '{encoder.spec.name}' has {len(self._layers)} layers; choose 1"
                f" to {len(self._layers)}"
            )
        self.spec: EncoderSpec = encoder.spec
        self.n_lower = len(self._layers) - n_top
        self._top = self._layers[self.n_lower :]
        # Whisper, and models with a stable layer norm, apply it after the last layer: it is part of the trainable top.
        self._norm: nn.Module | None = (
            body.layer_norm if whisper or getattr(model.config, "do_stable_layer_norm", False) else None
        )
        model.eval().requires_grad_(requires_grad=False)
        self.learned = self._learned()
        for parameter in self.learned.values():
            parameter.requires_grad_()

    @property
    def device(self) -> torch.device:
        """The model's device."""
        return torch.device(self._model.device)

    def parameters(self) -> dict[str, nn.Parameter]:
        """Return all parameters of the model, trainable or not, by the library's names."""
        return dict(self._model.named_parameters())

    def _learned(self) -> dict[str, nn.Parameter]:
        numbered = {f"layers.{self.n_lower + i}": layer for i, layer in enumerate(self._top)}
        parts = numbered if self._norm is None else numbered | {"layer_norm": self._norm}
        return {f"{part}.{name}": value for part, module in parts.items() for name, value in module.named_parameters()}

    def train(self, *, training: bool) -> None:
        """Switch the dropout of the top layers on or off; in all other layers it is always off."""
        for layer in self._top:
            layer.train(training)

    def lower(self, clip: EncoderInput) -> Tensor:
        """Run one clip through the frozen part.

        Returns
        -------
        Tensor of shape (K + 1, T, D), float32
            Layers 0 to K; the last is the input of the first trainable layer. T counts all frames that the encoder
            computes; those of the clip come first.
        """
        # Hooks record the input of each layer, and an exception ends the forward pass there: the library has no
        # option to run only the first layers, and the top ones would cost time and memory.
        seen: list[Tensor] = []

        def look(layer: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor]) -> None:
            seen.append((args[0] if args else kwargs["hidden_states"])[0])
            if layer is self._top[0]:
                raise _ReachedError

        hooks = [layer.register_forward_pre_hook(look, with_kwargs=True) for layer in self._layers[: self.n_lower + 1]]
        try:
            with full_precision(), torch.no_grad():
                self._model(torch.from_numpy(clip.values)[None].to(self.device))
        except _ReachedError:
            pass
        finally:
            for hook in hooks:
                hook.remove()
        return torch.stack(seen).float()

    def upper(self, entry: Tensor, lengths: Sequence[int]) -> Tensor:
        """Run a batch through the top layers.

        Parameters
        ----------
        entry : Tensor of shape (B, T, D)
            Input of the first top layer; frames beyond a clip's length are padding, with any content.
        lengths : sequence of int
            Number of frames of every clip.

        Returns
        -------
        Tensor of shape (N, B, T, D), float32
        """
        x, outputs = entry, []
        mask = self._mask(entry, lengths)
        with full_precision():
            bias = self._position_bias(entry)
            for layer in self._top:
                if self._family == "wavlm":
                    x, bias = self._run(layer, x, attention_mask=mask, position_bias=bias)
                else:
                    x = self._run(layer, x, attention_mask=mask)
                outputs.append(x)
            if self._norm is not None:
                outputs[-1] = self._norm(outputs[-1])
        return torch.stack([output.float() for output in outputs])

    def _run(self, layer: nn.Module, x: Tensor, **options: Any) -> Any:
        if not (self.recompute and torch.is_grad_enabled()):
            return layer(x, **options)
        # With the state that torch's generator has now, so that dropout draws the same again.
        return checkpoint(layer, x, use_reentrant=False, **options)

    def _mask(self, entry: Tensor, lengths: Sequence[int]) -> Any:
        if min(lengths) == entry.shape[1]:
            return None
        inside = torch.arange(entry.shape[1]) < torch.tensor(lengths)[:, None]
        inside = inside.to(entry.device)
        if self._family == "wavlm":
            return inside.long()
        return create_bidirectional_mask(config=self._model.config, inputs_embeds=entry, attention_mask=inside.long())

    def _position_bias(self, entry: Tensor) -> Tensor | None:
        # WavLM's first layer computes the bias for all layers. If it is itself a top layer, it does so in `upper`.
        if self._family != "wavlm" or not self.n_lower:
            return None
        n_clips, n_frames = entry.shape[:2]
        first: Any = self._layers[0]
        with torch.no_grad():
            bias: Tensor = first.attention.compute_bias(n_frames, n_frames)  # (heads, T, T)
        return bias.repeat(n_clips, 1, 1)  # (B * heads, T, T)


def _model_of(encoder: Encoder[Any]) -> tuple[Any, str]:
    """Return the library's model and its family."""
    model = getattr(encoder, "model", None)
    family = getattr(getattr(model, "config", None), "model_type", type(encoder).__name__)
    if model is None or family not in SPLITTABLE:
        raise EncoderError(
            f"'{encoder.spec.name}' is of the family '{family}', whose layers cannot be trained here; expected one of"
            f" {', '.join(SPLITTABLE)}"
        )
    return model, family
