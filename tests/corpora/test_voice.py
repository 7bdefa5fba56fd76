"""The small source-filter voice."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from ravfeat.corpora.voice import SAMPLE_RATE_HZ, VOWELS, Delivery, Voice, speak

MAN = Voice(110.0, 1.0, -2.0, 0.6, -40.0, -70.0, (0.0, 0.0))
PLAIN = Delivery((0.0, 0.0), (0.0, 0.0), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def say(voice: Voice = MAN, delivery: Delivery = PLAIN, vowels: str = "aaaa") -> NDArray[np.float64]:
    return speak(voice, delivery, vowels, 1.0, np.random.default_rng(0))


def strongest_period_hz(wave: NDArray[np.float64]) -> float:
    """Pitch by autocorrelation between 70 and 400 Hz, independent of the way it was made."""
    middle = wave[4000:12000]
    spectrum = np.fft.rfft(middle * np.hanning(len(middle)), 2 * len(middle))
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)
    lags = np.arange(SAMPLE_RATE_HZ // 400, SAMPLE_RATE_HZ // 70)
    return float(SAMPLE_RATE_HZ / lags[np.argmax(correlation[lags])])


def share_above(wave: NDArray[np.float64], frequency_hz: float) -> float:
    power = np.abs(np.fft.rfft(wave)) ** 2
    bins_hz = np.fft.rfftfreq(len(wave), 1 / SAMPLE_RATE_HZ)
    return float(power[bins_hz > frequency_hz].sum() / power.sum())


def rms(wave: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(wave**2)))


def test_a_voice_has_the_pitch_it_was_given() -> None:
    assert strongest_period_hz(say()) == pytest.approx(110.0, rel=0.03)
    assert strongest_period_hz(say(replace(MAN, pitch_hz=220.0))) == pytest.approx(220.0, rel=0.03)


def test_pitch_moves_by_semitones() -> None:
    assert strongest_period_hz(say(delivery=replace(PLAIN, pitch_st=12.0))) == pytest.approx(220.0, rel=0.03)


def test_pace_is_an_octave_of_speed() -> None:
    assert len(say()) == SAMPLE_RATE_HZ
    assert len(say(delivery=replace(PLAIN, pace=1.0))) == SAMPLE_RATE_HZ // 2


def test_energy_is_in_decibels() -> None:
    louder = rms(say(delivery=replace(PLAIN, energy_db=6.0)))
    assert 20 * np.log10(louder / rms(say())) == pytest.approx(6.0, abs=0.2)


def test_tilt_and_setting_move_the_spectrum() -> None:
    plain = share_above(say(), 3000.0)
    assert share_above(say(delivery=replace(PLAIN, tilt_db=3.0)), 3000.0) > 2 * plain
    bright = replace(PLAIN, onset_db=(0.0, 20.0), offset_db=(0.0, 20.0))
    assert share_above(say(delivery=bright), 3000.0) > 2 * plain


@pytest.mark.parametrize("tract", [1.0, 1.15])
def test_energy_gathers_at_the_formants(tract: float) -> None:
    wave = say(replace(MAN, pitch_hz=60.0, tract=tract), vowels="iiii")
    second = VOWELS["i"][1] * tract
    power = np.abs(np.fft.rfft(wave)) ** 2
    bins_hz = np.fft.rfftfreq(len(wave), 1 / SAMPLE_RATE_HZ)
    at = power[np.abs(bins_hz - second) < 100].mean()
    valley = power[np.abs(bins_hz - 1200.0 * tract) < 100].mean()
    assert at > 10 * valley


def test_no_sample_leaves_full_scale() -> None:
    assert np.abs(say(delivery=replace(PLAIN, energy_db=60.0))).max() < 1.0
