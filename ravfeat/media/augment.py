"""Augment waveforms (gain, noise, mask, crop, speed) with versioned recipes; an augmented reading is called a view.

The study trained its audio branch on waveforms with gain, noise, a time mask and a crop. It does not state their
strengths: those below are our choice, moderate and fixed. Each recipe has a version, which must be raised with any
change to it, because it then gives other features.

=========== =========================================================================================
view        what it does
=========== =========================================================================================
gain        louder or softer by -6 to 6 dB, uniform in dB; not clipped
noise       white Gaussian noise, 10 to 30 dB below the clip (uniform in dB)
mask        up to 15 % of the clip (uniform) set to zero, in one or two spans, each anywhere
crop        80 to 100 % of the clip (uniform), from anywhere; never less than 0.1 s of it
published   gain, noise, mask and crop, in this order
speed:0.9   played at 0.9 of its speed, as a tape: longer, and lower in pitch; any factor from 0.5 to 2. Nothing is
            drawn, every clip is changed alike (Ko et al. 2015, "Audio augmentation for speech recognition")
=========== =========================================================================================

Conventions
-----------
Samples are float32 of shape (n,), one channel, at the file's own rate. Random draws depend only on the recipe, the
seed and the clip's key, never on other clips, so that clips can be read in any order and by any process.

On the command line a view is written ``gain`` or ``speed:0.9``; its name carries the version of the recipe, and the
seed or the factor: ``gain-1:seed0``, ``speed-1:0.9``.
"""

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import ClipError, UsageError

__all__ = ["CLEAN", "SPEED", "VIEWS", "View", "augment"]

CLEAN = "clean"
"""Name of the unchanged clip, where a cache says which view it holds."""

SPEED = "speed"
"""The view that has a factor and no seed."""

SPEEDS = (0.5, 2.0)
"""Slowest and fastest: an octave down and up."""

SPEED_VERSION = 1

GAIN_DB = 6.0
SNR_DB = (10.0, 30.0)
MASK_SHARE = 0.15
MASK_SPANS = 2
CROP_SHARE = 0.8
CROP_SECONDS = 0.1
"""Longer than the shortest clip that any encoder accepts; see `ravfeat.encoders`."""

Samples = NDArray[np.float32]
_NAME = re.compile(r"(?P<recipe>[a-z]+)-[0-9]+:(?:seed(?P<seed>[0-9]{1,999})|(?P<factor>[0-9]\.?[0-9]*))")
_Step = Callable[[Samples, int, np.random.Generator], Samples]


@dataclass(frozen=True)
class _Recipe:
    """Version and steps of a view; changing the order of the steps changes the draws."""

    version: int
    steps: tuple[_Step, ...]


def augment(samples: Samples, sample_rate_hz: int, *, view: str, seed: int, key: str) -> Samples:
    """Augment a clip.

    Parameters
    ----------
    samples : ndarray of shape (n,), float32
        Finite, and at least one. Not modified.
    sample_rate_hz : int
        The rate of the samples.
    view : str
        One of `VIEWS`.
    seed : int
        0 or more; another seed gives other draws for every clip.
    key : str
        The clip's ``performance_id``: two files of one performance are augmented alike.

    Returns
    -------
    ndarray of shape (m,), float32
        Finite; m is n where nothing is cropped. A silent clip stays silent.

    Raises
    ------
    UsageError
        For an unknown view or a negative seed.
    ClipError
        For samples that are not finite, empty, or of another shape.

    Examples
    --------
    >>> tone = np.sin(np.arange(8000, dtype=np.float32) / 5)
    >>> len(augment(tone, 16_000, view="mask", seed=0, key="03-01-05-01-01-01-07"))
    8000
    """
    recipe = _recipe_of(view, seed)
    rng = _generator(view, recipe, seed, key)
    changed = np.array(_checked(samples, view, key), dtype=np.float32)
    for step in recipe.steps:
        changed = step(changed, sample_rate_hz, rng)
    return changed


def _checked(samples: Samples, view: str, key: str) -> Samples:
    if samples.ndim != 1 or not len(samples) or not np.isfinite(samples).all():
        raise ClipError(
            f"view '{view}' of '{key}': expected one or more finite samples of one channel, got shape {samples.shape}"
            f"{'' if np.isfinite(samples).all() else ' with NaN or infinite values'}; decode the clip again"
        )
    return samples


@dataclass(frozen=True)
class View:
    """A recipe, and its seed or its factor.

    Attributes
    ----------
    recipe : str
        One of `VIEWS`, or `SPEED`.
    seed : int
        0 or more; another seed gives other draws for every clip. `SPEED` draws nothing and has seed 0.
    factor : float or None
        Of `SPEED` alone: from 0.5 to 2, not 1, with at most three decimals.

    Raises
    ------
    UsageError
        For an unknown recipe, a negative seed, or a factor that is missing, not allowed, or has no use.

    Examples
    --------
    >>> View("published", 3).name
    'published-1:seed3'
    >>> View.written("speed:0.90").name
    'speed-1:0.9'
    """

    recipe: str
    seed: int = 0
    factor: float | None = None

    def __post_init__(self) -> None:
        if self.recipe == SPEED:
            _check_factor(self.factor, self.seed)
            return
        _recipe_of(self.recipe, self.seed)
        if self.factor is not None:
            raise UsageError(f"view '{self.recipe}' has no factor, got {self.factor:g}; write it without the colon")

    @classmethod
    def written(cls, text: str, seed: int = 0) -> "View":
        """Parse a view as it is written on the command line: ``gain``, ``speed:0.9``.

        Raises
        ------
        UsageError
        """
        recipe, colon, factor = text.partition(":")
        if colon and recipe in VIEWS:
            raise UsageError(
                f"view '{text}': '{recipe}' has no factor; write it without the colon, and give a seed with --view-seed"
            )
        try:
            return cls(recipe, seed, float(factor) if colon else None)
        except ValueError as error:
            raise UsageError(f"view '{text}': expected a number after the colon, such as {SPEED}:0.9") from error

    @property
    def name(self) -> str:
        """Recipe, version, and seed or factor, in the format of a cache's identity."""
        if self.factor is not None:
            return f"{SPEED}-{SPEED_VERSION}:{self.factor:g}"
        return f"{self.recipe}-{_recipe_of(self.recipe, self.seed).version}:seed{self.seed}"

    @property
    def crops(self) -> bool:
        """Whether a part of the clip is left out, so that shares of the clip are no shares of the view."""
        return self.recipe in _RECIPES and _crop in _RECIPES[self.recipe].steps

    @classmethod
    def parse(cls, name: str) -> "View | None":
        """Parse a view's `name`; None for the clean clip.

        Raises
        ------
        UsageError
            For an invalid name, or a version of a recipe other than the current one.
        """
        if name == CLEAN:
            return None
        match = _NAME.fullmatch(name)
        view = None
        if match and match["seed"]:
            view = cls(match["recipe"], int(match["seed"]))
        elif match:
            view = cls(match["recipe"], factor=float(match["factor"]))
        if view is None or view.name != name:
            recipes = [f"{recipe}-{_RECIPES[recipe].version}:seedN" for recipe in VIEWS]
            raise UsageError(
                f"no view is called '{name}' here; expected {CLEAN}, {SPEED}-{SPEED_VERSION}:FACTOR or one of"
                f" {', '.join(recipes)}"
            )
        return view

    def of(self, samples: Samples, sample_rate_hz: int, key: str) -> Samples:
        """Apply this view to a clip; see `augment`."""
        if self.factor is not None:
            return _change_speed(_checked(samples, self.name, key), sample_rate_hz, self.factor)
        return augment(samples, sample_rate_hz, view=self.recipe, seed=self.seed, key=key)


def _check_factor(factor: float | None, seed: int) -> None:
    low, high = SPEEDS
    # Three decimals, so that every factor has one name; `not` refuses NaN.
    if factor is None or not low <= factor <= high or factor == 1 or factor != round(factor, 3):
        raise UsageError(
            f"view '{SPEED}{'' if factor is None else f':{factor}'}': expected a factor from {low:g} to {high:g}, but"
            f" not 1 (that is {CLEAN}), with at most three decimals, such as {SPEED}:0.9"
        )
    if seed:
        raise UsageError(f"view '{SPEED}' draws nothing, so it has no seed, got {seed}")


def _recipe_of(view: str, seed: int) -> _Recipe:
    if view not in _RECIPES:
        raise UsageError(f"no view '{view}'; choose from {', '.join(VIEWS)}, {SPEED}:FACTOR")
    if seed < 0:
        raise UsageError(f"view '{view}': expected a seed of 0 or more, got {seed}")
    return _RECIPES[view]


def _generator(view: str, recipe: _Recipe, seed: int, key: str) -> np.random.Generator:
    # JSON delimits the parts unambiguously, whatever characters a key contains. A cryptographic hash, because the
    # seeds of numpy generators should be well mixed, and Python's own hash differs between processes.
    text = json.dumps([f"{view}-{recipe.version}", seed, key])
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest(), "little"))


def _gain(samples: Samples, _: int, rng: np.random.Generator) -> Samples:
    return samples * np.float32(_amplitude(rng.uniform(-GAIN_DB, GAIN_DB)))


def _noise(samples: Samples, _: int, rng: np.random.Generator) -> Samples:
    # The signal's power is measured around its mean: a constant offset is inaudible and must not count.
    loudness = float(np.std(samples, dtype=np.float64))
    scale = loudness * _amplitude(-rng.uniform(*SNR_DB))
    return samples + (rng.standard_normal(len(samples)) * scale).astype(np.float32)


def _mask(samples: Samples, _: int, rng: np.random.Generator) -> Samples:
    n_spans = int(rng.integers(1, MASK_SPANS + 1))
    length = int(rng.uniform(0, MASK_SHARE) * len(samples) / n_spans)
    masked = samples.copy()
    # Spans may overlap: the share is an upper bound.
    for start in rng.integers(0, len(samples) - length + 1, size=n_spans):
        masked[start : start + length] = 0
    return masked


def _crop(samples: Samples, sample_rate_hz: int, rng: np.random.Generator) -> Samples:
    least = min(len(samples), math.ceil(CROP_SECONDS * sample_rate_hz))
    length = max(least, math.ceil(rng.uniform(CROP_SHARE, 1) * len(samples)))
    start = int(rng.integers(0, len(samples) - length + 1))
    # A view of the array would keep the whole clip in memory.
    return samples[start : start + length].copy()


def _change_speed(samples: Samples, sample_rate_hz: int, factor: float) -> Samples:
    import soxr  # here: names of views are read without the packages of the extraction

    # As if the clip had been recorded at `factor` times its rate.
    changed = soxr.resample(np.float32(samples), sample_rate_hz * factor, sample_rate_hz, quality="HQ")
    return np.asarray(changed, np.float32)


def _amplitude(decibel: float) -> float:
    return float(10 ** (decibel / 20))


_RECIPES: Mapping[str, _Recipe] = MappingProxyType(
    {
        "gain": _Recipe(1, (_gain,)),
        "noise": _Recipe(1, (_noise,)),
        "mask": _Recipe(1, (_mask,)),
        "crop": _Recipe(1, (_crop,)),
        "published": _Recipe(1, (_gain, _noise, _mask, _crop)),
    }
)

VIEWS: tuple[str, ...] = tuple(_RECIPES)
"""Names of the recipes that draw."""
