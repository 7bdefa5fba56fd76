"""Encoder of waveforms: WavLM, HuBERT, wav2vec 2.0, UniSpeech, data2vec-audio and similar models."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ravfeat.encoders.async_batch import DeviceBatch, send
from ravfeat.encoders.base import Batching, EncoderInput, EncoderSpec
from ravfeat.encoders.hidden_states import LAYER_CONVENTION, clip_states, frozen_pass, torch_provenance
from ravfeat.errors import ClipError
from ravfeat.media.sound import RESAMPLING, Waveform, resample

__all__ = ["WaveformEncoder"]

_MASKED_FAMILIES = frozenset({"wavlm", "hubert", "wav2vec2", "unispeech", "unispeech-sat"})
"""Families whose attention mask excludes padding from everything after the convolutions. In others padding
leaks in: data2vec-audio stacks several positional convolutions, conformers convolve in every block."""


class WaveformEncoder:
    """A frozen encoder with a convolutional front end.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        In evaluation mode, float32.
    name, weights : str
        For the spec.
    normalise : bool
        Whether each clip is normalised to zero mean and unit variance before padding.
    sample_rate_hz : int
    tf32 : bool
        Whether a GPU may round the factors of products to TF32; recorded as provenance.
    """

    def __init__(
        self, model: Any, *, name: str, weights: str, normalise: bool, sample_rate_hz: int, tf32: bool = False
    ) -> None:
        self._model = model
        self._tf32 = tf32
        self._normalise = normalise
        self._rate = sample_rate_hz
        config = model.config
        self._hop: int = math.prod(config.conv_stride)
        self._field: int = _receptive_field(config.conv_kernel, config.conv_stride)
        self.batching: Batching = "padded" if _padding_is_exact(config) else "equal"
        step = "zero mean, unit variance per clip/1" if normalise else "samples as they are/1"
        self.spec = EncoderSpec(
            name=name,
            stream="audio",
            weights=weights,
            layer_convention=LAYER_CONVENTION,
            preprocessing=(RESAMPLING, f"{sample_rate_hz} Hz", step),
            n_layers=config.num_hidden_layers + 1,
            dim=config.hidden_size,
            frame_rate_hz=sample_rate_hz / self._hop,
        )

    def prepare(self, waveform: Waveform) -> EncoderInput:
        """Resample and normalise one clip."""
        samples = resample(waveform, self._rate)
        if len(samples) < self._field:
            raise ClipError(
                f"too short: {len(samples)} samples at {self._rate} Hz, {self.spec.name} needs at least {self._field}"
            )
        if self._normalise:
            # Before padding, as in the library: zeros of the padding would change mean and variance.
            samples = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
        # Asked of the model: families with another front end count in their own way.
        n_frames = int(self._model._get_feat_extract_output_lengths(torch.tensor(len(samples))))
        return EncoderInput(samples.astype(np.float32, copy=False), self.times_s(n_frames))

    def encode(self, batch: Sequence[EncoderInput]) -> list[NDArray[np.float32]]:
        """Encode clips; where padding would change the result, only clips of one length share a batch."""
        return self.start(batch).states()

    def start(self, batch: Sequence[EncoderInput]) -> DeviceBatch:
        """Start to encode clips; see `ravfeat.encoders.base.start_encoding`."""
        with DeviceBatch(self._model.device) as encoding, frozen_pass(tf32=self._tf32):
            if self.batching == "padded":
                encoding.fetch(self._run_padded(batch))
                return encoding
            # Clips of one length at a time; the results go back to the places that the clips had in the batch.
            stacks: dict[int, torch.Tensor] = {}
            by_length: dict[int, list[int]] = {}
            for position, clip in enumerate(batch):
                by_length.setdefault(len(clip.values), []).append(position)
            for positions in by_length.values():
                group = self._run_padded([batch[position] for position in positions])
                stacks |= dict(zip(positions, group, strict=True))
            encoding.fetch([stacks[position] for position in range(len(batch))])
        return encoding

    def _run_padded(self, batch: Sequence[EncoderInput]) -> list[torch.Tensor]:
        longest = max(len(clip.values) for clip in batch)
        values = torch.zeros(len(batch), longest)
        mask = torch.zeros(len(batch), longest, dtype=torch.long)
        for row, clip in enumerate(batch):
            values[row, : len(clip.values)] = torch.from_numpy(clip.values)
            mask[row, : len(clip.values)] = 1
        device = self._model.device
        # Without padding no mask is passed: some models take a slower path with one, and a mask of ones changes
        # nothing.
        padded = any(len(clip.values) < longest for clip in batch)
        output = self._model(
            send(values, device), attention_mask=send(mask, device) if padded else None, output_hidden_states=True
        )
        return clip_states(output, batch)

    @property
    def model(self) -> Any:
        """The library's model, for fine-tuning; see `ravfeat.encoders.top_layers`."""
        return self._model

    def times_s(self, n_frames: int) -> NDArray[np.float64]:
        """Return the centres of the convolutions' receptive fields, in seconds."""
        return (np.arange(n_frames) * self._hop + self._field / 2) / self._rate

    def provenance(self) -> dict[str, Any]:
        """Return versions, device and matrix-product precision."""
        return torch_provenance(self._model, tf32=self._tf32)


def _padding_is_exact(config: Any) -> bool:
    # A group norm in the first convolution averages over time, so padding changes every frame; a batch norm before
    # the positional convolution turns the zeros of the padding into other values.
    return (
        config.model_type in _MASKED_FAMILIES
        and config.feat_extract_norm == "layer"
        and not getattr(config, "conv_pos_batch_norm", False)
    )


def _receptive_field(kernels: Sequence[int], strides: Sequence[int]) -> int:
    field, hop = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        field, hop = field + (kernel - 1) * hop, hop * stride
    return field
