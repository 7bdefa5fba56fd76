"""Read how a speech model's input is made: sampling rate, normalisation, log-mel settings.

Nothing is guessed. What a file leaves out is the default of the class of `transformers` that it names, as it is there;
without a file, or without such a name, a model is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

import transformers
from annotated_types import Interval
from typing_extensions import TypedDict

from ravfeat.encoders.hidden_states import first_line
from ravfeat.encoders.model_documents import PREPROCESSORS, check_settings, only_settings
from ravfeat.encoders.weights import WeightFolder
from ravfeat.errors import EncoderError

__all__ = ["WaveformInput", "read_log_mel", "read_waveform_input"]

_BY_HAND = (
    ", or write sampling_rate and do_normalize, as you know them to be, into preprocessor_config.json, such as"
    ' {"sampling_rate": 16000, "do_normalize": true}'
)
_KEYS = ("feature_extractor", "audio_processor")
T = TypeVar("T")

_Rate = Annotated[int, Interval(ge=1000, le=768_000)]


class _Waveforms(TypedDict, total=False):
    feature_extractor_type: Literal["Wav2Vec2FeatureExtractor"]
    feature_size: Literal[1]
    sampling_rate: _Rate
    do_normalize: bool


class _LogMel(TypedDict, total=False):
    feature_extractor_type: Literal["WhisperFeatureExtractor"]
    feature_size: Annotated[int, Interval(ge=1, le=1024)]
    sampling_rate: _Rate
    n_fft: Annotated[int, Interval(ge=2, le=1 << 16)]
    hop_length: Annotated[int, Interval(ge=1, le=1 << 16)]
    chunk_length: Annotated[int, Interval(ge=1, le=3600)]
    dither: float
    padding_value: float


@dataclass(frozen=True)
class WaveformInput:
    """Conversion of a waveform to the input of a model.

    Attributes
    ----------
    sample_rate_hz : int
    normalise : bool
        Whether each clip gets zero mean and unit variance.
    """

    sample_rate_hz: int
    normalise: bool

    def __str__(self) -> str:
        return f"{self.sample_rate_hz} Hz, {'normalised' if self.normalise else 'samples as they are'}"


def read_waveform_input(folder: WeightFolder) -> WaveformInput:
    """Read sampling rate and normalisation of a model that reads waveforms.

    Raises
    ------
    EncoderError
        Where no file of the folder says it, two contradict each other, or a value is impossible.
    """
    needed = ("sampling_rate", "do_normalize")
    inputs = {}
    for where, settings in _settings(folder, _Waveforms, needed, _BY_HAND).items():
        extractor = transformers.Wav2Vec2FeatureExtractor(**_given(settings, needed))
        inputs[where] = WaveformInput(extractor.sampling_rate, extractor.do_normalize)
    return only_settings(inputs)


def read_log_mel(folder: WeightFolder, config: Any) -> Any:
    """Make the feature extractor of a Whisper model.

    Parameters
    ----------
    folder : WeightFolder
    config : transformers.WhisperConfig

    Returns
    -------
    transformers.WhisperFeatureExtractor

    Raises
    ------
    EncoderError
        As `read_waveform_input`; also where the extractor does not fit the model, or adds noise.
    """
    needed = ("feature_size", "sampling_rate", "n_fft", "hop_length", "chunk_length")
    by_place = {}
    for where, settings in _settings(folder, _LogMel, needed, "").items():
        # Noise would be other noise every time; the encoder pads with zeros, before the spectrum.
        for key in ("dither", "padding_value"):
            if settings.get(key, 0.0) != 0:
                raise EncoderError(f"{where}: {key} is {settings[key]}, expected 0; such models cannot be used")
        by_place[where] = _given(settings, needed)
    full = {where: _whisper(where, settings) for where, settings in by_place.items()}
    only_settings({where: {key: getattr(extractor, key) for key in needed} for where, extractor in full.items()})
    where, extractor = next(iter(full.items()))
    frames = 2 * config.max_source_positions  # the second convolution has a stride of 2
    if (extractor.feature_size, extractor.nb_max_frames) != (config.num_mel_bins, frames):
        raise EncoderError(
            f"{where} makes log-mel input of {extractor.feature_size} bands and {extractor.nb_max_frames} frames,"
            f" {folder.path / 'config.json'} describes a model of {config.num_mel_bins} and {frames}; take the"
            " preprocessor that belongs to the model"
        )
    return extractor


def _whisper(where: str, settings: dict[str, Any]) -> Any:
    try:
        return transformers.WhisperFeatureExtractor(**settings)
    except (TypeError, ValueError) as error:
        raise EncoderError(f"{where} cannot be used ({first_line(error)})") from error


def _settings(folder: WeightFolder, kind: type[T], needed: Sequence[str], otherwise: str) -> dict[str, Any]:
    """Return the checked settings of every place that has some."""
    places = folder.preprocessors(*_KEYS)
    if not places:
        raise EncoderError(
            f"{folder.path} has neither {PREPROCESSORS[0]} nor a feature extractor in {PREPROCESSORS[1]}, which say how"
            " the model's input is made; save the model's feature extractor beside it"
            f" (AutoFeatureExtractor.from_pretrained(NAME).save_pretrained(FOLDER)){otherwise}"
        )
    checked: dict[str, Any] = {}
    for where, settings in places.items():
        checked[where] = check_settings(settings, kind, where)
        missing = [key for key in needed if key not in settings]
        if missing and "feature_extractor_type" not in settings:
            raise EncoderError(
                f"{where} says neither {missing[0]} nor the feature_extractor_type whose default would count; add"
                f" {missing[0]}"
            )
    return checked


def _given(settings: Any, keys: Sequence[str]) -> dict[str, Any]:
    return {key: settings[key] for key in keys if key in settings}
