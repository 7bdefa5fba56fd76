"""Load speech encoders (WavLM, HuBERT, wav2vec 2.0, Whisper …) from a Hugging Face `transformers` folder."""

from typing import Any

from ravfeat.encoders.attention import fuse_attention
from ravfeat.encoders.base import Encoder
from ravfeat.encoders.extractor import read_log_mel, read_waveform_input
from ravfeat.encoders.loading import check_whole, load_config, load_model, to_device
from ravfeat.encoders.waveforms import WaveformEncoder
from ravfeat.encoders.weights import WeightFolder
from ravfeat.encoders.whisper import WhisperEncoder
from ravfeat.errors import EncoderError

__all__ = ["load_speech_encoder"]

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
    config = load_config(folder, readable=_READABLE)
    whisper = config.model_type == "whisper"
    if not whisper:
        _check_reads_waveforms(config, folder)
    # Before the weights, which may take minutes to read.
    extractor = read_log_mel(folder, config) if whisper else None
    waveform_input = None if whisper else read_waveform_input(folder)
    model, report = load_model(folder)
    check_whole(folder, model, report, unused=("decoder.",) if whisper else ())
    fuse_attention(model)
    # Whisper's decoder is half of its weights; it never reaches the device.
    model = to_device(model.get_encoder() if whisper else model, device)
    if waveform_input is None:
        return WhisperEncoder(model, extractor, name=name, weights=folder.digest, tf32=tf32)
    return WaveformEncoder(
        model,
        name=name,
        weights=folder.digest,
        normalise=waveform_input.normalise,
        sample_rate_hz=waveform_input.sample_rate_hz,
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
