"""Speech encoders from Hugging Face: every hidden layer of WavLM, HuBERT, wav2vec 2.0, Whisper and their kin.

Conventions
-----------
The layer stack is ``(*hidden_states[:-1], last_hidden_state)``. For encoders with a stable layer norm
transformers 5 takes ``hidden_states[-1]`` before the final norm (up to 4.57: after it), so
the last entry is replaced by ``last_hidden_state``, which never changed its meaning.

Offers
------
SpeechEncoder, load_speech_encoder.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from ravfeat.encoders.base import Batching, EncoderSpec, Prepared
from ravfeat.encoders.weights import WeightFolder
from ravfeat.errors import ClipError, EncoderError
from ravfeat.media import RESAMPLING, Waveform, resample

__all__ = ["RawSpeechEncoder", "WhisperEncoder", "load_speech_encoder"]

LAYER_CONVENTION = "hidden_states[:-1] + last_hidden_state/1"
_UNUSED_WEIGHTS = ("masked_spec_embed",)  # learned for training only; never read in evaluation


class RawSpeechEncoder:
    """Encoders that read the waveform: WavLM, HuBERT, wav2vec 2.0, UniSpeech, data2vec-audio.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        In evaluation mode, float32.
    spec_parts : mapping
        ``name`` and ``weights`` for the spec.
    normalise : bool
        Whether each clip is brought to zero mean and unit variance before padding.
    sample_rate_hz : int
    """

    def __init__(self, model: Any, *, name: str, weights: str, normalise: bool, sample_rate_hz: int) -> None:
        self._model = model
        self._normalise = normalise
        self._rate = sample_rate_hz
        config = model.config
        self._hop = math.prod(config.conv_stride)
        self._field = _receptive_field(config.conv_kernel, config.conv_stride)
        # A group norm in the first convolution runs over time, so padding changes every frame.
        self.batching: Batching = "padded" if config.feat_extract_norm == "layer" else "equal"
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

    def prepare(self, waveform: Waveform) -> Prepared:
        """Resample and normalise one clip."""
        samples = resample(waveform, self._rate)
        if len(samples) < self._field:
            raise ClipError(
                f"too short: {len(samples)} samples at {self._rate} Hz, {self.spec.name} needs at least {self._field}"
            )
        if self._normalise:
            samples = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
        n_frames = int(self._model._get_feat_extract_output_lengths(torch.tensor(len(samples))))
        return Prepared(samples.astype(np.float32, copy=False), n_frames)

    def encode(self, batch: Sequence[Prepared]) -> list[NDArray[np.float32]]:
        """Encode clips; those that cannot share a batch exactly are split by length."""
        if self.batching == "padded":
            return self._encode_padded(batch)
        results: dict[int, NDArray[np.float32]] = {}
        by_length: dict[int, list[int]] = {}
        for position, clip in enumerate(batch):
            by_length.setdefault(len(clip.values), []).append(position)
        for positions in by_length.values():
            states = self._encode_padded([batch[position] for position in positions])
            results |= dict(zip(positions, states, strict=True))
        return [results[position] for position in range(len(batch))]

    def _encode_padded(self, batch: Sequence[Prepared]) -> list[NDArray[np.float32]]:
        longest = max(len(clip.values) for clip in batch)
        values = torch.zeros(len(batch), longest)
        mask = torch.zeros(len(batch), longest, dtype=torch.long)
        for row, clip in enumerate(batch):
            values[row, : len(clip.values)] = torch.from_numpy(clip.values)
            mask[row, : len(clip.values)] = 1
        device = self._model.device
        padded = any(len(clip.values) < longest for clip in batch)
        with torch.inference_mode(), _memory_errors():
            output = self._model(
                values.to(device),
                attention_mask=mask.to(device) if padded else None,
                output_hidden_states=True,
            )
            return _own_frames(output, batch)

    def times_s(self, n_frames: int) -> NDArray[np.float64]:
        """Centres of the convolutions' receptive fields."""
        return (np.arange(n_frames) * self._hop + self._field / 2) / self._rate

    def provenance(self) -> dict[str, Any]:
        """Versions, device and matrix-product precision."""
        return _provenance(self._model.device)


class WhisperEncoder:
    """Whisper's encoder: log-mel of the clip padded to 30 s, of which the clip's own frames are kept.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        A Whisper encoder in evaluation mode, float32.
    extractor : transformers.WhisperFeatureExtractor
    name, weights : str
        For the spec.
    """

    batching: Batching = "fixed"

    def __init__(self, model: Any, extractor: Any, *, name: str, weights: str) -> None:
        self._model = model
        self._extractor = extractor
        self._rate = int(extractor.sampling_rate)
        self._limit = int(extractor.n_samples)
        self._mel_frames = int(extractor.nb_max_frames)
        self._frame_rate = model.config.max_source_positions / (self._limit / self._rate)
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

    def prepare(self, waveform: Waveform) -> Prepared:
        """Resample and compute the log-mel input, exactly as the library does for 30 s."""
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
        n_frames = math.ceil(len(samples) / self._rate * self._frame_rate)
        return Prepared(self._log_mel(samples), n_frames)

    def _log_mel(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        # The 30 s are mostly zeros. Windows that see only zeros all give the same column, so it is
        # computed once, behind enough zeros that no window of the clip is cut short.
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

    def encode(self, batch: Sequence[Prepared]) -> list[NDArray[np.float32]]:
        """Encode clips; every input has the same size, so a batch is exact."""
        values = torch.from_numpy(np.stack([clip.values for clip in batch])).to(self._model.device)
        with torch.inference_mode(), _memory_errors():
            output = self._model(values, output_hidden_states=True)
            return _own_frames(output, batch)

    def times_s(self, n_frames: int) -> NDArray[np.float64]:
        """Centres of the frames."""
        return (np.arange(n_frames) + 0.5) / self._frame_rate

    def provenance(self) -> dict[str, Any]:
        """Versions, device and matrix-product precision."""
        return _provenance(self._model.device)


def load_speech_encoder(folder: WeightFolder, name: str, device: str) -> RawSpeechEncoder | WhisperEncoder:
    """Load a speech encoder from a folder as `transformers` saves it.

    Parameters
    ----------
    folder : WeightFolder
    name : str
        What to call it.
    device : str
        ``cpu``, ``cuda`` or ``cuda:N``.

    Raises
    ------
    EncoderError
        Where the folder does not hold a whole speech encoder of a supported family.
    """
    config = folder.config
    family = config.get("model_type")
    if family != "whisper" and not {"conv_stride", "conv_kernel", "feat_extract_norm"} <= config.keys():
        defaults = _family_defaults(str(family))
        if not hasattr(defaults, "conv_stride"):
            raise EncoderError(
                f"{folder.path} holds a model of type '{family}'; expected an encoder that reads waveforms"
                " (wavlm, hubert, wav2vec2, unispeech-sat, …) or whisper"
            )
    model = _load_model(folder, device)
    if family == "whisper":
        extractor = _extractor(folder, transformers.WhisperFeatureExtractor)
        if extractor is None:
            extractor = transformers.WhisperFeatureExtractor(feature_size=model.config.num_mel_bins)
        return WhisperEncoder(model.encoder, extractor, name=name, weights=folder.digest)
    extractor = _extractor(folder, transformers.Wav2Vec2FeatureExtractor)
    if extractor is None:
        extractor = transformers.Wav2Vec2FeatureExtractor()
    return RawSpeechEncoder(
        model,
        name=name,
        weights=folder.digest,
        normalise=bool(extractor.do_normalize),
        sample_rate_hz=int(extractor.sampling_rate),
    )


def _family_defaults(family: str) -> Any:
    try:
        return transformers.AutoConfig.for_model(family)
    except ValueError as error:
        raise EncoderError(f"transformers {transformers.__version__} knows no model type '{family}'") from error


def _load_model(folder: WeightFolder, device: str) -> Any:
    transformers.utils.logging.disable_progress_bar()
    try:
        model, report = transformers.AutoModel.from_pretrained(
            folder.path, dtype=torch.float32, local_files_only=True, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, KeyError, EOFError) as error:
        raise EncoderError(f"{folder.path} cannot be loaded by transformers ({_first_line(error)})") from error
    absent = sorted(key for key in report["missing_keys"] if not key.endswith(_UNUSED_WEIGHTS))
    wrong = [str(key) for key in report.get("mismatched_keys", ())]
    if absent or wrong:
        raise EncoderError(
            f"{folder.path} does not hold all weights of its model: {len(absent)} are missing ({', '.join(absent[:3])} …),"
            f" {len(wrong)} have another shape; a frozen encoder must not run on random weights"
        )
    try:
        return model.eval().requires_grad_(requires_grad=False).to(device)
    except (RuntimeError, AssertionError) as error:
        raise EncoderError(f"the encoder cannot be put on '{device}' ({_first_line(error)})") from error


def _extractor(folder: WeightFolder, kind: Any) -> Any | None:
    if not folder.preprocessor:
        return None
    return kind.from_dict(folder.preprocessor)


def _own_frames(output: Any, batch: Sequence[Prepared]) -> list[NDArray[np.float32]]:
    layers = (*output.hidden_states[:-1], output.last_hidden_state)  # each (B, T, D)
    results = []
    for row, clip in enumerate(batch):
        own = torch.stack([layer[row, : clip.n_frames] for layer in layers])  # (L, T, D)
        results.append(own.float().cpu().numpy().transpose(1, 0, 2))
    return results


@contextmanager
def _memory_errors() -> Iterator[None]:
    # torch has its own errors for this, and on the CPU only a text.
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            raise MemoryError(_first_line(error)) from error
        raise


def _receptive_field(kernels: Sequence[int], strides: Sequence[int]) -> int:
    field, hop = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        field, hop = field + (kernel - 1) * hop, hop * stride
    return field


def _provenance(device: torch.device) -> dict[str, Any]:
    about: dict[str, Any] = {
        "device": str(device),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "tf32": bool(torch.backends.cuda.matmul.allow_tf32) if device.type == "cuda" else False,
    }
    if device.type == "cuda":
        about["gpu"] = torch.cuda.get_device_name(device)
        about["cuda"] = torch.version.cuda
    return about


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
