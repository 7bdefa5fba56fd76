"""The built-in encoder: known signals, known energies."""

import numpy as np
import pytest

from ravfeat.encoders.logmel import BANDS, LogMelEncoder, mel_bands
from ravfeat.errors import ClipError
from ravfeat.media.sound import Waveform


def encode(samples: np.ndarray, rate: int = 16_000) -> np.ndarray:
    encoder = LogMelEncoder()
    (states,) = encoder.encode([encoder.prepare(Waveform(samples.astype(np.float32), rate))])
    return states


def test_energies_are_those_of_a_plain_discrete_fourier_transform(noise) -> None:
    samples = noise(1_000).samples.astype(np.float64)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    turns = np.exp(-2j * np.pi * np.outer(np.arange(201), np.arange(400)) / 400)
    power = np.abs(turns @ (samples[160:560] * window)) ** 2
    np.testing.assert_allclose(encode(samples)[1, 0], np.log(power @ mel_bands()), rtol=1e-4)


def test_a_tone_is_loudest_in_the_band_around_it() -> None:
    tone = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(8_000) / 16_000)
    loudest = int(encode(tone)[:, 0].mean(0).argmax())
    centre = np.linspace(0, 8_000, 201) @ mel_bands()[:, loudest] / mel_bands()[:, loudest].sum()
    assert centre == pytest.approx(1_000, abs=60)


def test_bands_cover_every_frequency_once_between_the_first_and_last_centre() -> None:
    covered = mel_bands().sum(1)
    assert mel_bands().shape == (201, BANDS)
    np.testing.assert_allclose(covered[20:180], 1, atol=0.35)


def test_slopes_of_a_steady_rise_are_constant_and_their_slopes_zero() -> None:
    growing = np.exp(0.001 * np.arange(16_000)) * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000) * 1e-6
    states = encode(growing)
    middle = states[10:-10]
    # Power grows by exp(2 * 0.001) each sample, so its logarithm by 0.32 each frame of 160.
    loud = states[:, 0].mean(0).argmax()
    np.testing.assert_allclose(middle[:, 1, loud], 0.32, atol=0.01)
    np.testing.assert_allclose(middle[:, 2, loud], 0, atol=0.01)


def test_frames_are_whole_windows_every_ten_milliseconds() -> None:
    encoder = LogMelEncoder()
    for n_samples, n_frames in ((400, 1), (559, 1), (560, 2), (16_000, 98)):
        clip = encoder.prepare(Waveform(np.ones(n_samples, np.float32), 16_000))
        assert clip.n_frames == n_frames
        assert encoder.encode([clip])[0].shape == (n_frames, 3, BANDS)
    np.testing.assert_allclose(encoder.times_s(2), [0.0125, 0.0225])


def test_silence_within_a_clip_stays_finite() -> None:
    assert np.isfinite(encode(np.zeros(1_600))).all()


def test_a_clip_shorter_than_a_window_is_refused() -> None:
    with pytest.raises(ClipError, match=r"too short: 399 samples at 16 kHz \(25 ms\), logmel needs at least 400"):
        encode(np.ones(399))
