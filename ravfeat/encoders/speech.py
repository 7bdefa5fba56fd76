"""Speech encoders from a folder as Hugging Face `transformers` saves it.

Offers
------
load_speech_encoder.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import transformers

from ravfeat.encoders.base import Encoder
from ravfeat.encoders.hidden_states import first_line
from ravfeat.encoders.waveforms import WaveformEncoder
from ravfeat.encoders.weights import WeightFolder
from ravfeat.encoders.whisper import WhisperEncoder
from ravfeat.errors import EncoderError

__all__ = ["load_speech_encoder"]

_READABLE = "an encoder that reads waveforms (wavlm, hubert, wav2vec2, unispeech-sat, data2vec-audio …) or whisper"


def load_speech_encoder(folder: WeightFolder, name: str, device: str) -> Encoder[Any]:
    """Load a speech encoder.

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
    config = _load_config(folder)
    whisper = config.model_type == "whisper"
    if not whisper:
        _check_reads_waveforms(config, folder)
    model = _load_model(folder, unused=("decoder.",) if whisper else ())
    model = _to_device(model.get_encoder() if whisper else model, device)
    if whisper:
        extractor = _extractor(folder, transformers.WhisperFeatureExtractor, feature_size=config.num_mel_bins)
        return WhisperEncoder(model, extractor, name=name, weights=folder.digest)
    extractor = _extractor(folder, transformers.Wav2Vec2FeatureExtractor)
    return WaveformEncoder(
        model,
        name=name,
        weights=folder.digest,
        normalise=bool(extractor.do_normalize),
        sample_rate_hz=int(extractor.sampling_rate),
    )


def _load_config(folder: WeightFolder) -> Any:
    if "model_type" not in folder.config:
        raise EncoderError(f"{folder.path / 'config.json'} names no model_type; expected {_READABLE}")
    try:
        return transformers.AutoConfig.from_pretrained(folder.path, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise EncoderError(
            f"{folder.path / 'config.json'} cannot be used by transformers {transformers.__version__}"
            f" ({first_line(error)})"
        ) from error


def _check_reads_waveforms(config: Any, folder: WeightFolder) -> None:
    what = f"{folder.path} holds a model of type '{config.model_type}'"
    if not hasattr(config, "conv_stride") or not hasattr(config, "conv_kernel"):
        raise EncoderError(f"{what}, which does not read waveforms; expected {_READABLE}")
    if config.is_encoder_decoder or hasattr(config, "squeeze_factor"):
        raise EncoderError(f"{what}, whose hidden states are not one vector per frame; expected {_READABLE}")
    if getattr(config, "add_adapter", False):
        raise EncoderError(
            f"{what} with an adapter behind it, whose output has another frame rate than the layers before;"
            " save the encoder without it (add_adapter=False)"
        )


def _load_model(folder: WeightFolder, *, unused: tuple[str, ...]) -> Any:
    try:
        with _quiet():
            model, report = transformers.AutoModel.from_pretrained(
                folder.path, dtype=torch.float32, local_files_only=True, output_loading_info=True,
                trust_remote_code=False,
            )  # fmt: skip
    except Exception as error:
        raise EncoderError(f"{folder.path} cannot be loaded by transformers ({first_line(error)})") from error
    # The vector that masks frames in training is never read in evaluation; neither is a decoder.
    absent = sorted(
        key for key in report["missing_keys"] if not key.startswith(unused) and not key.endswith("masked_spec_embed")
    )
    wrong = [str(key) for key in report.get("mismatched_keys", ())]
    if absent or wrong:
        raise EncoderError(
            f"{folder.path} does not hold all weights of its model: {len(absent)} are missing"
            f" ({', '.join(absent[:3])} …), {len(wrong)} have another shape;"
            " a frozen encoder must not run on random weights"
        )
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    # Heads and decoders beside the encoder are expected; their list is no news to the user.
    log = transformers.utils.logging
    level = log.get_verbosity()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)


def _to_device(model: Any, device: str) -> Any:
    try:
        return model.eval().requires_grad_(requires_grad=False).to(device)
    except (RuntimeError, AssertionError) as error:
        raise EncoderError(f"the encoder cannot be put on '{device}' ({first_line(error)})") from error


def _extractor(folder: WeightFolder, kind: Any, **defaults: Any) -> Any:
    try:
        return kind.from_dict(folder.preprocessor) if folder.preprocessor else kind(**defaults)
    except (TypeError, ValueError) as error:
        raise EncoderError(
            f"{folder.path / 'preprocessor_config.json'} cannot be used ({first_line(error)})"
        ) from error
