"""Synthesise a voice by a source-filter model: a speaker, a way of acting, vowels → a waveform.

It is no speech synthesiser. It gives the generated corpus what a recording has: a pitch, a vocal
tract, a microphone and a room that belong to one actor, and a delivery that belongs to one take.
A glottal pulse train (KLGLOTT88: Klatt & Klatt 1990, doi:10.1121/1.398894) and breath noise are
shaped frame by frame by formant resonances (vowels after Peterson & Barney 1952), tilt and colour.

Conventions
-----------
Waveforms are float64 in [-1, 1] at `SAMPLE_RATE_HZ`; S samples, T frames of `HOP` samples, B bins.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["SAMPLE_RATE_HZ", "VOWELS", "Delivery", "Voice", "speak"]

SAMPLE_RATE_HZ = 16000
WINDOW = 512
HOP = 128
PEAK = 0.98
FORMANT_WIDTHS_HZ = (80.0, 110.0, 170.0, 250.0)

VOWELS: dict[str, tuple[float, float, float, float]] = {
    "a": (730.0, 1090.0, 2440.0, 3400.0),
    "e": (530.0, 1840.0, 2480.0, 3500.0),
    "i": (300.0, 2250.0, 3000.0, 3600.0),
    "o": (570.0, 840.0, 2410.0, 3300.0),
    "u": (320.0, 870.0, 2240.0, 3300.0),
    "@": (500.0, 1450.0, 2450.0, 3400.0),
}
"""First four formants of an adult man's vowels, in Hz."""

Wave = NDArray[np.float64]


@dataclass(frozen=True)
class Voice:
    """What stays the same in every clip of one actor.

    Attributes
    ----------
    pitch_hz : float
        Pitch when nothing is acted.
    tract : float
        Factor on all formants; about 1.0 for men and 1.17 for women.
    tilt_db : float
        Change of the spectrum per octave above 500 Hz.
    open_quotient : float
        Share of a glottal cycle in which the glottis is open, in (0, 1).
    breath_db : float
        Level of breath noise relative to the voiced source.
    room_db : float
        Level of the room's noise relative to full scale.
    colour_db : tuple of float
        Gain of microphone and room at points spread evenly from 0 Hz to half the sample rate.
    """

    pitch_hz: float
    tract: float
    tilt_db: float
    open_quotient: float
    breath_db: float
    room_db: float
    colour_db: tuple[float, ...]


@dataclass(frozen=True)
class Delivery:
    """How one take is spoken, as differences from the voice at rest.

    Attributes
    ----------
    onset_db, offset_db : sequence of float
        What lips, jaw and larynx do to the spectrum when the clip begins and when it ends (in
        between it moves evenly); points as in `Voice.colour_db`.
    pitch_st, range_st, slope_st : float
        Shift of pitch, size of its accents, rise over the clip; semitones.
    energy_db, tilt_db, breath_db : float
        Loudness, spectral tilt per octave, breath noise; decibels.
    pace : float
        Relative speed as a power of two: 1.0 is twice as fast.
    tremor_st : float
        Depth of a 6 Hz tremor of pitch; semitones.
    """

    onset_db: Sequence[float]
    offset_db: Sequence[float]
    pitch_st: float
    range_st: float
    slope_st: float
    energy_db: float
    tilt_db: float
    breath_db: float
    pace: float
    tremor_st: float


def speak(voice: Voice, delivery: Delivery, vowels: str, seconds: float, rng: np.random.Generator) -> Wave:
    """Say a row of vowels once.

    Parameters
    ----------
    voice : Voice
    delivery : Delivery
    vowels : str
        Keys of `VOWELS`, one per syllable.
    seconds : float
        Length at pace 0; the delivery's pace shortens or stretches it.
    rng : numpy.random.Generator
        Draws breath, room and the small irregularities of a take.

    Returns
    -------
    ndarray of shape (S,), float64

    Examples
    --------
    >>> voice = Voice(110.0, 1.0, -2.0, 0.6, -30.0, -60.0, (0.0, 0.0))
    >>> plain = Delivery((0.0, 0.0), (0.0, 0.0), 0, 0, 0, 0, 0, 0, 0, 0)
    >>> speak(voice, plain, "ai", 0.5, np.random.default_rng(0)).shape
    (8000,)
    """
    samples = round(seconds * 2.0**-delivery.pace * SAMPLE_RATE_HZ)
    syllable = np.linspace(0.0, len(vowels), samples, endpoint=False)  # position in syllables
    source = _pulses(_pitch(voice, delivery, syllable, len(vowels), rng), voice.open_quotient)
    source /= np.sqrt(np.mean(source**2))
    source += _gain(voice.breath_db + delivery.breath_db) * rng.standard_normal(samples)
    speech = _shape(source, _tract(voice, delivery, vowels, syllable[::HOP]))
    speech *= _loudness(syllable, rng, len(vowels))
    speech *= _gain(delivery.energy_db - 27.0) / np.sqrt(np.mean(speech**2))
    room = _shape(rng.standard_normal(samples), _colour(voice.colour_db) * _falling(-5.0))
    speech += _gain(voice.room_db) * room / np.sqrt(np.mean(room**2))
    return np.asarray(np.clip(speech, -PEAK, PEAK))


def _gain(decibels: float) -> float:
    return float(10.0 ** (decibels / 20.0))


def _pitch(voice: Voice, delivery: Delivery, syllable: Wave, count: int, rng: np.random.Generator) -> Wave:
    """Pitch at every sample, in Hz: declination, one accent per syllable, tremor."""
    accents = rng.normal(0.6, 0.5, count)
    bump = np.sin(np.pi * (syllable % 1.0)) ** 2
    time_s = np.arange(len(syllable)) / SAMPLE_RATE_HZ
    semitones = (
        delivery.pitch_st
        + delivery.slope_st * (syllable / count - 0.5)
        + delivery.range_st * accents[syllable.astype(int)] * bump
        + delivery.tremor_st * np.sin(2 * np.pi * (6.0 * time_s + rng.random()))
    )
    return np.asarray(np.clip(voice.pitch_hz * 2.0 ** (semitones / 12.0), 50.0, 700.0))


def _pulses(pitch_hz: Wave, open_quotient: float) -> Wave:
    """Draw the derivative of the glottal flow: a parabola while open, nothing while closed."""
    phase = np.cumsum(pitch_hz) / SAMPLE_RATE_HZ % 1.0
    x = phase / open_quotient
    return np.where(x < 1.0, 2.0 * x - 3.0 * x**2, 0.0)


def _tract(voice: Voice, delivery: Delivery, vowels: str, syllable: Wave) -> Wave:
    """Gain of mouth, tilt and microphone for every frame, shape (T, B)."""
    targets = np.array([VOWELS[vowel] for vowel in vowels]) * voice.tract
    at = syllable - 0.5  # a target is met mid-syllable
    formants = np.stack([np.interp(at, np.arange(len(vowels)), track) for track in targets.T], axis=1)
    widths = np.array(FORMANT_WIDTHS_HZ) * voice.tract
    offset = (_bins_hz()[None, :, None] - formants[:, None, :]) / (widths / 2)  # (T, B, 4)
    resonance = np.sqrt((1.0 / (1.0 + offset**2)).sum(axis=-1))
    ends_db = np.array([delivery.onset_db, delivery.offset_db])
    moved = np.linspace(0.0, 1.0, len(syllable))[:, None]
    # Powers, so that the gain moves evenly in decibels.
    colour = _colour(voice.colour_db) * _colour(ends_db[0]) ** (1 - moved) * _colour(ends_db[1]) ** moved
    return np.asarray(resonance * colour * _falling(voice.tilt_db + delivery.tilt_db))


def _colour(gains_db: Sequence[float] | Wave) -> Wave:
    """Gain of every bin, drawn through points spread evenly over the spectrum."""
    points = np.linspace(0.0, SAMPLE_RATE_HZ / 2, len(gains_db))
    return np.asarray(10.0 ** (np.interp(_bins_hz(), points, gains_db) / 20.0))


def _falling(decibels: float) -> Wave:
    """Gain that changes by `decibels` per octave above 500 Hz."""
    return np.asarray(10.0 ** (decibels * np.log2(np.maximum(_bins_hz(), 500.0) / 500.0) / 20.0))


def _bins_hz() -> Wave:
    return np.linspace(0.0, SAMPLE_RATE_HZ / 2, WINDOW // 2 + 1)


def _loudness(syllable: Wave, rng: np.random.Generator, count: int) -> Wave:
    """Envelope that opens and closes once per syllable, each with its own stress."""
    stress = rng.uniform(0.6, 1.0, count)
    return np.asarray(stress[syllable.astype(int)] * (0.08 + np.sin(np.pi * (syllable % 1.0)) ** 1.5))


def _shape(wave: Wave, gain: Wave) -> Wave:
    """Filter by overlap-add: one gain per bin, (B,), or per frame and bin, (T, B)."""
    count = -(-len(wave) // HOP)
    padded = np.zeros(count * HOP + WINDOW)
    padded[WINDOW // 2 : WINDOW // 2 + len(wave)] = wave
    window = np.hanning(WINDOW + 1)[:-1]  # periodic: its copies at WINDOW / 4 add up to 2
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][:count] * window
    # The result is twice as loud, which callers take out when they normalise it.
    shaped = np.fft.irfft(np.fft.rfft(frames) * gain, WINDOW).reshape(count, WINDOW // HOP, HOP)
    out = np.zeros((count + WINDOW // HOP, HOP))
    for part in range(WINDOW // HOP):
        out[part : part + count] += shaped[:, part]
    return out.ravel()[WINDOW // 2 : WINDOW // 2 + len(wave)]
