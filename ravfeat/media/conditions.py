"""Conditions of recordings that heads are stressed with: noise, telephone, gain, reverberation, mp3; darkness, blur.

Each recipe changes a whole recording before anything else looks at it, by a strength, with a version that must be
raised with any change to it. Augmented views (`ravfeat.media.augment`) are drawn to train heads; a condition is the
same for every clip, so that a score stands at a known strength.

=========== ====== =======================================================================================
recipe      stream what it does at a strength
=========== ====== =======================================================================================
snr         audio  white Gaussian noise, so many dB below the clip (power around its mean)
telephone   audio  8 kHz, 300 to 3400 Hz, 8 bits by the mu-law with mu = 255 (ITU-T G.711); no strength
gain        audio  louder or softer by so many dB; not clipped
clip        audio  the loudest so many percent of the samples cut off at one level
reverb      audio  a room: Gaussian noise that falls by 60 dB in so many seconds (RT60), as strong in all as the
                   direct sound (Moorer 1979, "About this reverberation business"); as loud as the clip was
mp3         audio  16 kHz, coded and decoded at so many kbit/s (LAME by FFmpeg)
speed       audio  played at so many times its speed, as a tape (`ravfeat.media.augment`)
trim        audio  silence before and after the speech cut off (`ravfeat.media.active`); no strength
dark        face   so many stops less light: linear light halved each time, by a gamma of 2.2, in 8 bits
blur        face   Gaussian, sigma in so many percent of the picture's height
small       face   made so many times smaller, and as large as before again
=========== ====== =======================================================================================

Conventions
-----------
Samples are float32 of shape (n,), one channel, at the file's own rate. Draws depend on the recipe and the clip's
``performance_id`` alone: at every strength a clip has the same noise and the same room, so that strengths compare.
Pictures are changed in `ravfeat.faces.degrade`.
"""

import hashlib
import io
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import ClipError, UsageError
from ravfeat.media.augment import CLEAN, SPEED, View
from ravfeat.short_repr import short_repr

__all__ = ["CONDITIONS", "Condition", "ConditionRecipe", "condition_of"]

Samples = NDArray[np.float32]

_MARK = "stress."
"""Begins the view of a cache that holds changed recordings."""

_NAME = re.compile(
    r"stress\.(?P<recipe>[a-z0-9]+)-(?P<version>[0-9]+)(?::(?P<strength>-?[0-9]{1,4}(?:\.[0-9]{1,3})?))?"
)

_PHONE_HZ = (300.0, 3400.0)
_PHONE_RATE_HZ = 8000
_MU = 255.0
_MP3_RATE_HZ = 16_000


@short_repr
@dataclass(frozen=True)
class ConditionRecipe:
    """What can be done to a recording, at which strengths.

    Attributes
    ----------
    stream : {"audio", "face"}
    title : str
        For people; `unit` is that of the strength.
    strengths : tuple of float
        Those that are tried; empty where there is one only.
    bounds : tuple of float, or None
        Least and largest strength; None for a recipe without.
    clean : float
        The strength that changes nothing; infinite where none does.
    """

    stream: Literal["audio", "face"]
    title: str
    unit: str
    strengths: tuple[float, ...]
    bounds: tuple[float, float] | None
    clean: float = 0.0
    version: int = 1


CONDITIONS: Mapping[str, ConditionRecipe] = MappingProxyType(
    {
        "snr": ConditionRecipe("audio", "noise", "dB SNR", (20, 10, 5), (-20, 60), math.inf),
        "telephone": ConditionRecipe("audio", "telephone", "", (), None),
        "gain": ConditionRecipe("audio", "gain", "dB", (-30, -12, -6, 6, 12), (-60, 30)),
        "clip": ConditionRecipe("audio", "clipping", "% of samples", (1, 5, 20), (0.1, 90)),
        "reverb": ConditionRecipe("audio", "reverberation", "s RT60", (0.3, 0.6, 1.0), (0.05, 10)),
        "mp3": ConditionRecipe("audio", "mp3", "kbit/s", (64, 32, 16), (8, 160), math.inf),
        "speed": ConditionRecipe("audio", "speed", "times", (0.9, 1.1), (0.5, 2), 1),
        "trim": ConditionRecipe("audio", "silence trimmed", "", (), None),
        "dark": ConditionRecipe("face", "dark", "stops", (1, 2, 4), (0.1, 8)),
        "blur": ConditionRecipe("face", "blur", "% of height", (0.5, 1, 2), (0.05, 20)),
        "small": ConditionRecipe("face", "small", "times", (2, 4), (1.1, 64), 1),
    }
)
"""Every recipe, by name; the strengths are our choice, the bounds those at which something is left to score."""

_MP3_KBITS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
"""Bit rates of MPEG-2 layer III, of which sound at 16 kHz is."""


@dataclass(frozen=True)
class Condition:
    """A recipe and its strength.

    Attributes
    ----------
    recipe : str
        One of `CONDITIONS`.
    strength : float or None
        In the recipe's unit, with at most three decimals; None for a recipe without.

    Raises
    ------
    UsageError
        For an unknown recipe, or a strength that it has not.

    Examples
    --------
    >>> Condition("snr", 10).name
    'stress.snr-1:10'
    >>> Condition("telephone").view_name("speed-1:0.9")
    'stress.telephone-1+speed-1:0.9'
    """

    recipe: str
    strength: float | None = None

    def __post_init__(self) -> None:
        if self.recipe not in CONDITIONS:
            raise UsageError(f"no condition '{self.recipe}'; choose from {', '.join(CONDITIONS)}")
        _check_strength(self.recipe, CONDITIONS[self.recipe], self.strength)
        if self.strength is not None:
            object.__setattr__(self, "strength", float(self.strength))  # 5 and 5.0 are written alike

    @classmethod
    def written(cls, text: str) -> tuple["Condition", ...]:
        """Parse conditions as they are written on the command line: ``snr:10``, or ``snr`` for all strengths.

        Raises
        ------
        UsageError
        """
        name, colon, strength = text.partition(":")
        if name not in CONDITIONS:
            cls(name)
        if not colon:
            return tuple(cls(name, each) for each in CONDITIONS[name].strengths) or (cls(name),)
        try:
            return (cls(name, float(strength)),)
        except ValueError as error:
            raise UsageError(f"condition '{text}': expected a number after the colon, such as snr:10") from error

    @property
    def about(self) -> ConditionRecipe:
        """What the recipe does."""
        return CONDITIONS[self.recipe]

    @property
    def name(self) -> str:
        """Recipe, version and strength, as the view in a cache's identity begins."""
        strength = "" if self.strength is None else f":{self.strength:g}"
        return f"{_MARK}{self.recipe}-{self.about.version}{strength}"

    def view_name(self, view: str) -> str:
        """Name a view of the changed recording; the changed recording itself is that of the clean view."""
        return self.name if view == CLEAN else f"{self.name}+{view}"

    def of_sound(self, samples: Samples, sample_rate_hz: int, key: str) -> Samples:
        """Change the samples of a clip.

        Parameters
        ----------
        samples : ndarray of shape (n,), float32
            Not modified.
        sample_rate_hz : int
        key : str
            The clip's ``performance_id``.

        Returns
        -------
        ndarray of shape (m,), float32
            m is n but for ``speed`` and ``trim``.

        Raises
        ------
        ClipError
            For samples that are not finite, or empty.
        """
        if samples.ndim != 1 or not len(samples) or not np.isfinite(samples).all():
            raise ClipError(f"condition '{self.name}' of '{key}': expected finite samples of one channel")
        changed = _SOUND[self.recipe](samples, sample_rate_hz, self.strength or 0.0, _generator(self, key))
        return np.ascontiguousarray(changed, np.float32)


def condition_of(view: str) -> tuple[Condition | None, str]:
    """Part the view of a cache's identity into the condition of its recordings, and the view that was made of these.

    Raises
    ------
    UsageError
        For a condition that is not known here, or of another version.

    Examples
    --------
    >>> condition_of("stress.snr-1:10+speed-1:0.9")
    (Condition(recipe='snr', strength=10.0), 'speed-1:0.9')
    >>> condition_of("clean")
    (None, 'clean')
    """
    if not view.startswith(_MARK):
        return None, view
    name, _, rest = view.partition("+")
    match = _NAME.fullmatch(name)
    condition = None
    if match and match["recipe"] in CONDITIONS:
        condition = Condition(match["recipe"], None if match["strength"] is None else float(match["strength"]))
    if condition is None or condition.name != name:
        raise UsageError(f"no condition is called '{name}' here; choose from {', '.join(CONDITIONS)}")
    return condition, rest or CLEAN


def _check_strength(name: str, recipe: ConditionRecipe, strength: float | None) -> None:
    if recipe.bounds is None:
        if strength is not None:
            raise UsageError(f"condition '{name}' has no strength, got {strength:g}; write it without the colon")
        return
    low, high = recipe.bounds
    if (
        strength is None
        or not low <= strength <= high  # NaN too
        or strength in (recipe.clean, -0.0)
        or strength != round(strength, 3)  # so that every strength has one name
    ):
        got = "none" if strength is None else f"{strength:g}"
        raise UsageError(
            f"condition '{name}': expected a strength from {low:g} to {high:g} ({recipe.unit}) that changes something,"
            f" with at most three decimals, such as {name}:{recipe.strengths[0]:g}; got {got}"
        )
    if name == "mp3" and strength not in _MP3_KBITS:
        raise UsageError(
            f"condition 'mp3': there is no bit rate of {strength:g} kbit/s at 16 kHz; choose from"
            f" {', '.join(map(str, _MP3_KBITS))}"
        )


def _generator(condition: Condition, key: str) -> np.random.Generator:
    # Without the strength, see above; hashed as in `ravfeat.media.augment`.
    text = json.dumps([f"{_MARK}{condition.recipe}-{condition.about.version}", key])
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest(), "little"))


def _noise(samples: Samples, _: int, snr_db: float, rng: np.random.Generator) -> Samples:
    scale = float(np.std(samples, dtype=np.float64)) * 10 ** (-snr_db / 20)
    return samples + (rng.standard_normal(len(samples)) * scale).astype(np.float32)


def _telephone(samples: Samples, rate_hz: int, _: float, __: np.random.Generator) -> Samples:
    narrow = _resample(samples, rate_hz, _PHONE_RATE_HZ)
    spectrum, hz = np.fft.rfft(narrow), np.fft.rfftfreq(len(narrow), 1 / _PHONE_RATE_HZ)
    spectrum[(hz < _PHONE_HZ[0]) | (hz > _PHONE_HZ[1])] = 0
    band = np.clip(np.fft.irfft(spectrum, len(narrow)), -1, 1)
    compressed = np.sign(band) * np.log1p(_MU * np.abs(band)) / math.log1p(_MU)
    coded = np.round(compressed * 127) / 127
    heard = np.sign(coded) * np.expm1(np.abs(coded) * math.log1p(_MU)) / _MU
    return _as_long(_resample(heard.astype(np.float32), _PHONE_RATE_HZ, rate_hz), len(samples))


def _gain(samples: Samples, _: int, decibel: float, __: np.random.Generator) -> Samples:
    return samples * np.float32(10 ** (decibel / 20))


def _clip(samples: Samples, _: int, percent: float, __: np.random.Generator) -> Samples:
    level = np.quantile(np.abs(samples), 1 - percent / 100)
    return np.clip(samples, -level, level)


def _reverb(samples: Samples, rate_hz: int, rt60_s: float, rng: np.random.Generator) -> Samples:
    times_s = np.arange(1, max(2, round(rt60_s * rate_hz))) / rate_hz
    tail = rng.standard_normal(len(times_s)) * np.exp(-3 * math.log(10) * times_s / rt60_s)  # -60 dB of power
    response = np.concatenate([[1.0], tail / max(1e-12, float(np.sqrt(np.square(tail).sum())))])
    n = 1 << (len(samples) + len(response) - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(samples, n) * np.fft.rfft(response, n), n)[: len(samples)]
    before, after = (float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) for sound in (samples, wet))
    return np.asarray(wet * (before / after if after > 0 else 1.0), np.float32)


def _mp3(samples: Samples, rate_hz: int, kbits: float, _: np.random.Generator) -> Samples:
    peak = max(1.0, float(np.abs(samples).max()))  # what is louder than full scale would be clipped
    coded = _through_mp3(_resample(samples / np.float32(peak), rate_hz, _MP3_RATE_HZ), int(kbits))
    return _as_long(_resample(coded * np.float32(peak), _MP3_RATE_HZ, rate_hz), len(samples))


def _through_mp3(samples: Samples, kbits: int) -> Samples:
    """Code samples in [-1, 1] and decode them; what both add at the ends is cut off, but for a frame at most."""
    import av  # here: names of conditions are read without the packages of the media

    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as out:
        track = out.add_stream("libmp3lame", rate=_MP3_RATE_HZ, layout="mono")
        track.bit_rate = kbits * 1000
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None], np.float32), "fltp", "mono")
        frame.sample_rate = _MP3_RATE_HZ
        out.mux(track.encode(frame))
        out.mux(track.encode(None))
    file.seek(0)
    with av.open(file, "r", format="mp3") as coded:
        frames = [part.to_ndarray().reshape(-1) for part in coded.decode(audio=0)]
    return np.asarray(np.concatenate(frames), np.float32)


def _speed(samples: Samples, rate_hz: int, factor: float, _: np.random.Generator) -> Samples:
    return View(SPEED, factor=factor).of(samples, rate_hz, "")


def _trim(samples: Samples, rate_hz: int, _: float, __: np.random.Generator) -> Samples:
    from ravfeat.media.active import active_part

    part = active_part(samples, rate_hz)
    return samples[math.floor(part.start * len(samples)) : max(1, math.ceil(part.end * len(samples)))].copy()


def _resample(samples: Samples, from_hz: int, to_hz: int) -> Samples:
    import soxr

    changed = np.asarray(soxr.resample(np.float32(samples), from_hz, to_hz, quality="HQ"), np.float32)
    return changed if len(changed) else samples[:1]  # of a clip that is shorter than one sample there


def _as_long(samples: Samples, n: int) -> Samples:
    """Cut or pad at the end, by the few samples that rounding a rate gives."""
    return np.pad(samples[:n], (0, max(0, n - len(samples))))


_SOUND: Mapping[str, Callable[[Samples, int, float, np.random.Generator], Samples]] = MappingProxyType(
    {
        "snr": _noise, "telephone": _telephone, "gain": _gain, "clip": _clip, "reverb": _reverb, "mp3": _mp3,
        "speed": _speed, "trim": _trim,
    }
)  # fmt: skip
