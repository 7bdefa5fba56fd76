"""Load speech encoders (WavLM, HuBERT, wav2vec 2.0, Whisper …) from a Hugging Face `transformers` folder."""

from types import SimpleNamespace
from typing import Any

from ravfeat.encoders.attention import fuse_attention
from ravfeat.encoders.base import Encoder
from ravfeat.encoders.extractor import read_log_mel, read_waveform_input
from ravfeat.encoders.loading import check_whole, load_config, load_model, to_device
from ravfeat.encoders.waveforms import WaveformEncoder
from ravfeat.encoders.weights import WeightFolder
from ravfeat.encoders.whisper import WhisperEncoder
from ravfeat.errors import EncoderError

__all__ = ["describe_speech_encoder", "load_speech_encoder"]

_READABLE = "an encoder that reads waveforms (wavlm, hubert, wav2vec2, unispeech-sat, data2vec-audio …) or whisper"


def load_speech_encoder(folder: WeightFolder, name: str, device: str, *, tf32: bool = False) -> Encoder[Any]:
    """Load a speech encoder.

    Parameters
    ----------
    folder : WeightFolder
    name : str
        Name of the encoder.
    device : str
        ``cpu``, ``cuda`` or ``cuda:N``.
    tf32 : bool
        See `ravfeat.encoders.registry.load_encoder`.

    Raises
    ------
    EncoderError
        Where the folder does not hold a complete speech encoder of a supported family.
    """
    config = _readable_config(folder)
    whisper = config.model_type == "whisper"
    # Before the weights, which may take minutes to read.
    settings = _input_settings(folder, config)
    model, report = load_model(folder)
    check_whole(folder, model, report, unused=("decoder.",) if whisper else ())
    fuse_attention(model)
    # Whisper's decoder is half of its weights; it never reaches the device.
    model = to_device(model.get_encoder() if whisper else model, device)
    return _encoder(model, settings, folder, name, tf32=tf32)


def describe_speech_encoder(folder: WeightFolder, name: str) -> Encoder[Any]:
    """Return a speech encoder without its weights, of which only ``spec`` and ``batching`` can be used.

    The weights are read once, for their digest. Errors as `load_speech_encoder`, as far as no weights are needed.
    """
    config = _readable_config(folder)
    return _encoder(SimpleNamespace(config=config), _input_settings(folder, config), folder, name)


def _readable_config(folder: WeightFolder) -> Any:
    config = load_config(folder, readable=_READABLE)
    if config.model_type != "whisper":
        _check_reads_waveforms(config, folder)
    return config


def _input_settings(folder: WeightFolder, config: Any) -> Any:
    return read_log_mel(folder, config) if config.model_type == "whisper" else read_waveform_input(folder)


def _encoder(model: Any, settings: Any, folder: WeightFolder, name: str, *, tf32: bool = False) -> Encoder[Any]:
    if model.config.model_type == "whisper":
        return WhisperEncoder(model, settings, name=name, weights=folder.digest, tf32=tf32)
    return WaveformEncoder(
        model,
        name=name,
        weights=folder.digest,
        normalise=settings.normalise,
        sample_rate_hz=settings.sample_rate_hz,
        tf32=tf32,
    )


def _check_reads_waveforms(config: Any, folder: WeightFolder) -> None:
    problem = f"{folder.path} holds a model of type '{config.model_type}'"
    if not hasattr(config, "conv_stride") or not hasattr(config, "conv_kernel"):
        raise EncoderError(f"{problem}, which does not read waveforms; expected {_READABLE}")
    # Sequence-to-sequence models, and SEW, which merges neighbouring frames between its layers.
    if config.is_encoder_decoder or hasattr(config, "squeeze_factor"):
        raise EncoderError(f"{problem}, whose hidden states are not one vector per frame; expected {_READABLE}")
    if getattr(config, "add_adapter", False):
        raise EncoderError(
            f"{problem} with an adapter behind it, whose output has another frame rate than the layers before;"
            " save the encoder without it (add_adapter=False)"
        )
