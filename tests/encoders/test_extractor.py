"""How a speech model's input is made is read from its folder, and never guessed."""

import json
from pathlib import Path

import pytest
import transformers

from ravfeat.encoders.registry import load_encoder
from ravfeat.errors import EncoderError

STABLE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
WHISPER = {
    "d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 48,
    "decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 48, "vocab_size": 8, "num_mel_bins": 80,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1,
}  # fmt: skip
ALONE, NESTED = "preprocessor_config.json", "processor_config.json"


def settings_of(folder: Path) -> dict[str, object]:
    return json.loads((folder / ALONE).read_text())


def write(folder: Path, **changes: object) -> None:
    (folder / ALONE).write_text(json.dumps(settings_of(folder) | changes), encoding="utf-8")


def nest(folder: Path, key: str = "feature_extractor", **changes: object) -> None:
    """Write the settings as transformers 5 does for a processor."""
    nested = {key: settings_of(folder) | changes, "processor_class": "Wav2Vec2Processor"}
    (folder / NESTED).write_text(json.dumps(nested), encoding="utf-8")


def refused(folder: Path, match: str) -> None:
    with pytest.raises(EncoderError, match=match) as error:
        load_encoder(str(folder), "cpu")
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.fixture
def waveforms(save_tiny) -> Path:
    return save_tiny("WavLM", **STABLE)


@pytest.fixture
def whisper(save_tiny) -> Path:
    return save_tiny("Whisper", **WHISPER)


@pytest.mark.parametrize("key", ["feature_extractor", "audio_processor"])
def test_settings_of_a_processor_are_obeyed(key, waveforms, noise) -> None:
    nest(waveforms, key, sampling_rate=8_000, do_normalize=False)
    (waveforms / ALONE).unlink()
    encoder = load_encoder(str(waveforms), "cpu")
    assert encoder.spec.preprocessing[-2:] == ("8000 Hz", "samples as they are/1")
    assert len(encoder.prepare(noise(16_000)).values) == 8_000


def test_transformers_itself_writes_the_settings_of_a_processor_there(waveforms, tmp_path) -> None:
    (tmp_path / "vocab.json").write_text('{"<pad>": 0, "<unk>": 1, "|": 2}')
    (waveforms / ALONE).unlink()
    transformers.Wav2Vec2Processor(
        transformers.Wav2Vec2FeatureExtractor(sampling_rate=8_000, do_normalize=False),
        transformers.Wav2Vec2CTCTokenizer(str(tmp_path / "vocab.json")),
    ).save_pretrained(waveforms)
    assert not (waveforms / ALONE).exists()
    assert "8000 Hz" in load_encoder(str(waveforms), "cpu").spec.preprocessing


def test_two_files_that_agree_are_one_and_change_no_identity(waveforms) -> None:
    alone = load_encoder(str(waveforms), "cpu").spec
    nest(waveforms)
    assert load_encoder(str(waveforms), "cpu").spec.identity() == alone.identity()
    nest(waveforms, sampling_rate=8_000)
    refused(
        waveforms,
        r"preprocessor_config.json and .*processor_config.json, feature_extractor contradict each other \(16000 Hz,"
        r" normalised and 8000 Hz, normalised\)",
    )


@pytest.mark.parametrize("family", ["waveforms", "whisper"])
@pytest.mark.parametrize("content", [None, "{}"])
def test_without_settings_a_model_is_refused_and_the_remedy_named(family, content, request) -> None:
    folder = request.getfixturevalue(family)
    (folder / ALONE).unlink() if content is None else (folder / ALONE).write_text(content)
    refused(folder, r"has neither preprocessor_config.json nor a feature extractor in processor_config.json, which say")
    # A processor that is said to exist, without any settings.
    (folder / NESTED).write_text('{"processor_class": "Wav2Vec2Processor"}')
    refused(folder, r"save the model's feature extractor beside it")


def test_settings_may_be_written_by_hand_as_the_message_shows(waveforms) -> None:
    (waveforms / ALONE).write_text('{"sampling_rate": 16000, "do_normalize": true}')
    assert "zero mean, unit variance per clip/1" in load_encoder(str(waveforms), "cpu").spec.preprocessing
    (waveforms / ALONE).write_text('{"sampling_rate": 16000}')
    refused(waveforms, "says neither do_normalize nor the feature_extractor_type whose default would count")
    # The class that is named has a default, and the library would take it.
    (waveforms / ALONE).write_text('{"sampling_rate": 16000, "feature_extractor_type": "Wav2Vec2FeatureExtractor"}')
    assert "zero mean, unit variance per clip/1" in load_encoder(str(waveforms), "cpu").spec.preprocessing


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"sampling_rate": -1}, "sampling_rate is -1, expected greater"),
        ({"sampling_rate": 0}, "sampling_rate is 0"),
        ({"sampling_rate": 10**12}, "sampling_rate is 1000000000000, expected less"),
        ({"sampling_rate": "16000"}, 'sampling_rate is "16000", expected a whole number'),
        ({"sampling_rate": None}, "sampling_rate is null"),
        ({"sampling_rate": 16000.5}, "sampling_rate is 16000.5, expected a whole number"),
        ({"sampling_rate": [16000]}, "sampling_rate is"),
        ({"do_normalize": "false"}, 'do_normalize is "false", expected true or false'),
        ({"do_normalize": 1}, "do_normalize is 1"),
        ({"feature_size": 80}, "feature_size is 80, expected 1"),
        ({"feature_extractor_type": "SpeechT5FeatureExtractor"}, ".*expected 'Wav2Vec2FeatureExtractor'"),
    ],
    ids=str,
)
def test_impossible_settings_of_waveforms_are_named(changes, match, waveforms) -> None:
    write(waveforms, **changes)
    refused(waveforms, f"preprocessor_config.json: {match}")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"hop_length": 0}, ": hop_length is 0"),
        ({"hop_length": "a"}, ': hop_length is "a"'),
        ({"n_fft": 10**9}, ": n_fft is 1000000000, expected less"),
        ({"chunk_length": -1}, ": chunk_length is -1"),
        ({"dither": 0.1}, ": dither is 0.1, expected 0"),
        ({"padding_value": 1.0}, ": padding_value is 1.0, expected 0"),
        ({"feature_size": 10}, " makes log-mel input of 10 bands and 3000 frames.* a model of 80 and 3000"),
        ({"chunk_length": 10}, " makes log-mel input of 80 bands and 1000 frames"),
        ({"hop_length": 320}, " makes log-mel input of 80 bands and 1500 frames"),
        ({"feature_extractor_type": "ASTFeatureExtractor"}, ": feature_extractor_type is"),
    ],
    ids=str,
)
def test_impossible_settings_of_a_log_mel_are_named(changes, match, whisper) -> None:
    write(whisper, **changes)
    refused(whisper, f"preprocessor_config.json{match}")


def test_settings_cannot_replace_a_part_of_the_library(whisper, noise) -> None:
    encoder = load_encoder(str(whisper), "cpu")
    write(whisper, pad=1, mel_filters=[[0.0]], n_samples=7, nb_max_frames=7)
    other = load_encoder(str(whisper), "cpu")
    assert other.spec.identity() == encoder.spec.identity()
    assert (other.prepare(noise(4_000)).values == encoder.prepare(noise(4_000)).values).all()
