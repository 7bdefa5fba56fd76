"""Sound of recordings, whole and in windows."""

import numpy as np
import pytest

from ravfeat.encoders.logmel import LogMelEncoder
from ravfeat.errors import UsageError
from ravfeat.extract.decode import ClipEnd, PreparedPiece
from ravfeat.media.sound import Waveform
from ravfeat.media.waveform_source import WaveformSource
from ravfeat.predict.read import EncoderGroup, SoundRead, ToPredict, _read_sound, cut, read_recording, waveform_of
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
        (10**12, NOISE, "from 2000 to 768000"),
        (RATE, NOISE[None], r"expected \(n,\) or \(n, channels\)"),
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


def test_windows_follow_the_longer_of_sound_and_pictures_and_late_sound_is_put_where_it_is() -> None:
    late = Waveform(NOISE, RATE, start_s=2.0)
    sound, *rest = list(_read_sound(ToPredict("samples", late), GROUP, Windowing(1.0, 1.0), seen_s=8.0))
    assert isinstance(sound, SoundRead)
    assert (sound.duration_s, sound.start_s, len(sound.windows)) == (8.0, 2.0, 8)
    ends = [event for event in rest if isinstance(event, ClipEnd)]
    assert [not end.reasons for end in ends] == [False, False, True, True, True, False, False, False]
    assert ends[0].reasons == {0: "no sound between 0.0 and 1.0 s"}
    pieces = [event.prepared[0] for event in rest if isinstance(event, PreparedPiece)]
    assert np.array_equal(pieces[0].values, NOISE[:RATE])
    assert np.isnan(sound.speech_db[0])
    assert sound.envelope is not None
    assert not sound.envelope.peaks[:100].any()
    assert sound.envelope.peaks[100:].all()


def test_sound_of_no_speech_is_refused() -> None:
    (sound,) = events_of(Waveform(NOISE, 1000))
    assert sound.reason == "1000 samples a second hold no speech"


def events_of(waveform: Waveform) -> list[object]:
    return list(read_recording(ToPredict("samples", waveform), [GROUP], Windowing()))
