"""Whisper's encoder, whose input is always the log-mel spectrogram of 30 seconds."""

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

__all__ = ["WhisperEncoder"]


class WhisperEncoder:
    """Encodes the log-mel of the clip padded to 30 s, and keeps the frames of the clip.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        A Whisper encoder in evaluation mode, float32.
    extractor : transformers.WhisperFeatureExtractor
    name, weights : str
        For the spec.
    tf32 : bool
        Whether a GPU may round the factors of products to TF32; recorded as provenance.
    """

    batching: Batching = "fixed"

    def __init__(self, model: Any, extractor: Any, *, name: str, weights: str, tf32: bool = False) -> None:
        self._model = model
        self._tf32 = tf32
        self._extractor = extractor
        self._rate = int(extractor.sampling_rate)
        self._limit = int(extractor.n_samples)
        self._mel_frames = int(extractor.nb_max_frames)
        self._frames = int(model.config.max_source_positions)
        # Two mel frames make one frame: the second convolution has a stride of 2.
        self._frame_rate = self._frames / (self._limit / self._rate)
        self.spec = EncoderSpec(
            name=name,
            stream="audio",
            weights=weights,
            layer_convention=LAYER_CONVENTION,
            preprocessing=(
                RESAMPLING,
                f"{self._rate} Hz",
                f"whisper log-mel: {extractor.feature_size} bands, fft {extractor.n_fft},"
                f" hop {extractor.hop_length}, padded to {self._limit} samples/1",
                "first ceil(seconds * frame rate) frames/1",
            ),
            n_layers=model.config.encoder_layers + 1,
            dim=model.config.d_model,
            frame_rate_hz=self._frame_rate,
        )

    def prepare(self, waveform: Waveform) -> EncoderInput:
        """Resample and compute the log-mel input, equal up to rounding to the library's for 30 s."""
        samples = resample(waveform, self._rate)
        if len(samples) > self._limit:
            raise ClipError(
                f"too long: {len(samples) / self._rate:.1f} s, {self.spec.name} reads"
                f" {self._limit / self._rate:.0f} s at most; split the clip"
            )
        if len(samples) < self._extractor.n_fft:
            raise ClipError(
                f"too short: {len(samples)} samples at {self._rate} Hz, {self.spec.name} needs at least"
                f" {self._extractor.n_fft}"
            )
        # Integer arithmetic: in floating point, 0.14 s times 50 Hz is slightly more than 7 and would round up to 8.
        n_frames = -(-len(samples) * self._frames // self._limit)
        return EncoderInput(self._log_mel(samples), self.times_s(n_frames))

    def _log_mel(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        # Most of the 30 s are padding. All windows within the zeros give the same column, so the spectrogram is
        # computed only up to enough zeros that no window of the clip is cut, and its last column is repeated.
        hop, window = self._extractor.hop_length, self._extractor.n_fft
        needed = min(self._limit, -(-(len(samples) + 3 * window) // hop) * hop)
        padded = np.zeros(needed, dtype=np.float32)
        padded[: len(samples)] = samples
        mel = self._extractor(
            padded, sampling_rate=self._rate, padding="longest", truncation=False, return_tensors="np"
        ).input_features[0]
        full = np.empty((mel.shape[0], self._mel_frames), dtype=np.float32)
        full[:, : mel.shape[1]] = mel[:, : self._mel_frames]
        full[:, mel.shape[1] :] = mel[:, -1:]
        return full

    def encode(self, batch: Sequence[EncoderInput]) -> list[NDArray[np.float32]]:
        """Encode clips; all inputs have one size, so sharing a batch changes nothing."""
        return self.start(batch).states()

    def start(self, batch: Sequence[EncoderInput]) -> DeviceBatch:
        """Start to encode clips; see `ravfeat.encoders.base.start_encoding`."""
        values = torch.from_numpy(np.stack([clip.values for clip in batch]))
        with DeviceBatch(self._model.device) as encoding, frozen_pass(tf32=self._tf32):
            output = self._model(send(values, self._model.device), output_hidden_states=True)
            encoding.fetch(clip_states(output, batch))
        return encoding

    @property
    def model(self) -> Any:
        """The library's model, for fine-tuning; see `ravfeat.encoders.top_layers`."""
        return self._model

    def times_s(self, n_frames: int) -> NDArray[np.float64]:
        """Return the centres of the frames; log-mel windows are centred, so frame 0 is at 0 s."""
        return np.arange(n_frames) / self._frame_rate

    def provenance(self) -> dict[str, Any]:
        """Return versions, device and matrix-product precision."""
        return torch_provenance(self._model, tf32=self._tf32)
