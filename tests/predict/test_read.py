"""Sound of recordings, whole and in windows."""

import numpy as np
import pytest

from ravfeat.encoders.logmel import LogMelEncoder
from ravfeat.errors import UsageError
from ravfeat.extract.decode import ClipEnd, PreparedPiece
from ravfeat.media.sound import Waveform
from ravfeat.media.waveform_source import WaveformSource
from ravfeat.predict.read import EncoderGroup, SoundRead, ToPredict, cut, read_recording, waveform_of
from ravfeat.predict.windows import Windowing

RATE = 16_000
NOISE = np.random.default_rng(0).normal(0, 0.1, 3 * RATE).astype(np.float32)
GROUP = EncoderGroup(WaveformSource(), {0: LogMelEncoder()})


def events(samples: np.ndarray, windowing: Windowing) -> list[object]:
    return list(read_recording(ToPredict("samples", Waveform(samples, RATE)), [GROUP], windowing))


def test_every_window_is_prepared_like_a_clip_of_its_own() -> None:
    sound, *rest = events(NOISE, Windowing(1.0))
    assert isinstance(sound, SoundRead)
    assert len(sound.windows) == 5
    pieces = [event.prepared[0] for event in rest if isinstance(event, PreparedPiece)]
    for piece, window in zip(pieces, sound.windows, strict=True):
        alone = LogMelEncoder().prepare(cut(Waveform(NOISE, RATE), window))
        assert np.array_equal(piece.values, alone.values)
        assert piece.times_s[0] == alone.times_s[0]


def test_levels_and_outline_are_those_of_the_sound() -> None:
    sound, *_ = events(NOISE, Windowing(1.0))
    assert isinstance(sound, SoundRead)
    assert sound.speech_db == pytest.approx([-20] * 6, abs=0.2)
    assert sound.envelope is not None
    assert len(sound.envelope.peaks) / sound.envelope.rate_hz == pytest.approx(sound.duration_s)
    assert sound.envelope.peaks.max() == np.abs(NOISE).max()


def test_a_silent_window_gets_a_reason_and_the_others_are_read() -> None:
    paused = NOISE.copy()
    paused[RATE : 2 * RATE] = 0
    _, *rest = events(paused, Windowing(1.0))
    reasons = [event.reasons for event in rest if isinstance(event, ClipEnd)]
    assert [bool(reason) for reason in reasons] == [False, False, True, False, False]
    assert reasons[2] == {0: "samples: silent"}


@pytest.mark.parametrize("dtype", [np.int16, np.int32])
def test_integer_samples_are_scaled_and_channels_averaged(dtype: type) -> None:
    full = np.iinfo(dtype).max
    waveform = waveform_of((RATE, np.array([[full // 2, 0], [-full // 2, 0]], dtype)), "samples")
    assert waveform.samples == pytest.approx([0.25, -0.25], abs=1e-4)
    assert waveform.samples.dtype == np.float32


@pytest.mark.parametrize(
    ("rate", "samples", "match"),
    [
        (0, NOISE, "the rate is 0"),
        (16_000.0, NOISE, "the rate is 16000.0"),
        (True, NOISE, "the rate is True"),
        (RATE, NOISE[:0], r"samples of shape \(0,\)"),
        (RATE, NOISE.reshape(1, 1, -1), "expected"),
        (RATE, NOISE.astype(bool), "bool"),
        (RATE, NOISE * np.nan, "not finite"),
        (RATE, NOISE * 32768, "far outside"),
    ],
)
def test_samples_that_are_none_are_refused(rate, samples, match) -> None:
    with pytest.raises(UsageError, match=match):
        waveform_of((rate, samples), "samples")
