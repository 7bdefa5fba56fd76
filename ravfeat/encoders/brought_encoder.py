"""Encoders from code of a user's own: a test of what it gives, then clip by clip the same checks.

What is checked of every clip: finite numbers in the shape of the first one, and as many frames as its length lets
expect. A clip that fails is recorded with its reason, like one that cannot be decoded.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.encoders.base import Batching, EncoderInput, EncoderSpec
from ravfeat.encoders.brought import BroughtCode
from ravfeat.encoders.crops import concatenate, crop_faces, split_frames
from ravfeat.encoders.threads import set_team_size, team_size
from ravfeat.errors import ClipError, EncoderError, PluginError
from ravfeat.faces.base import Faces
from ravfeat.faces.crop import crop_recipe
from ravfeat.feature_names import names_problem
from ravfeat.media.sound import RESAMPLING, Waveform, resample

__all__ = ["BroughtFaceEncoder", "BroughtSoundEncoder"]

TESTED_S = (2.0, 3.0)
"""Lengths of the test tones: where both give as many frames, these are padding or a fixed window."""

_FACTOR = 2.0
_SPARE = 4
"""A clip may have this factor more or fewer frames than expected, and so many beside: edges, silence left out."""


class BroughtSoundEncoder:
    """Code that makes frames, or one vector, of a waveform; it runs in one thread, clip after clip.

    Parameters
    ----------
    code : BroughtCode

    Raises
    ------
    EncoderError
        Where its features are none, or others each time.
    PluginError
        Where it fails on a test tone.
    """

    batching: Batching = "fixed"

    def __init__(self, code: BroughtCode) -> None:
        self._code = code
        # One thread of its own: code of a user need not be safe in several, and readers compute with one core each.
        self._thread = ThreadPoolExecutor(1, "brought", initializer=lambda: set_team_size(team_size()))
        first, other = (self._tested(seconds) for seconds in TESTED_S)
        _check_repeats(code, first, self._tested(TESTED_S[0]))
        self._shape = _common_shape(code, first, other)
        self._one_vector = first.ndim == 1
        self._rate_hz = 0.0 if self._one_vector else self._frame_rate(len(first), len(other))
        steps = (RESAMPLING, f"waveform at {code.sample_rate_hz} Hz/1")
        self.spec = _spec(code, self._shape, self._rate_hz, steps)

    def prepare(self, waveform: Waveform) -> EncoderInput:
        """Compute the features of a clip.

        Raises
        ------
        ClipError
            Where the code fails, or gives what it did not give of the test tone.
        """
        samples = resample(waveform, self._code.sample_rate_hz)
        seconds = len(samples) / self._code.sample_rate_hz
        try:
            states = self._call(samples, "encoding this clip")
        except (PluginError, EncoderError) as error:
            raise ClipError(str(error)) from error
        states = self._framed(states, seconds)
        # Spread evenly: how frames lie in time is not asked, and the middle of each is right to half a frame.
        times_s = (np.arange(len(states), dtype=np.float64) + 0.5) * (seconds / len(states))
        return EncoderInput(states, times_s)

    def encode(self, batch: Sequence[EncoderInput]) -> list[NDArray[np.float32]]:
        """Return the prepared features."""
        return [piece.values for piece in batch]

    def provenance(self) -> dict[str, Any]:
        """Return versions and device."""
        return self._code.provenance()

    def _call(self, samples: NDArray[np.float32], doing: str) -> NDArray[np.float32]:
        # A copy: other encoders hear the same waveform.
        return self._thread.submit(self._code.run, doing, samples.copy(), self._code.sample_rate_hz).result()

    def _tested(self, seconds: float) -> NDArray[np.float32]:
        states = self._call(_tone(seconds, self._code.sample_rate_hz), f"encoding a test tone of {seconds:g} s")
        if not 1 <= states.ndim <= 3 or not states.size or not np.isfinite(states).all():
            raise EncoderError(
                f"'{self._code.reference}' gave {_shown(states)} of a test tone of {seconds:g} s; expected finite"
                " numbers (T, L, D), (T, D) or (D,)"
            )
        return states

    def _frame_rate(self, first: int, other: int) -> float:
        """Return the frames per second that the test tones had, or that the code says; 0 where any number will do."""
        reference, said = self._code.reference, self._code.frame_rate_hz
        if said is None and first == other > 1:
            raise EncoderError(
                f"'{reference}' gave {first} frames of {TESTED_S[0]:g} s and of {TESTED_S[1]:g} s alike: cut what"
                " is padded, return one vector (D,), or say frame_rate_hz = 0 where clips have a fixed number"
            )
        rate_hz = other / TESTED_S[1] if said is None else said
        if wrong := [n for n, seconds in zip((first, other), TESTED_S, strict=True) if not _fits(n, rate_hz, seconds)]:
            raise EncoderError(
                f"'{reference}' says frame_rate_hz = {said:g} and gave {wrong[0]} frames of a test tone; expected about"
                f" {rate_hz * TESTED_S[0]:.0f} of {TESTED_S[0]:g} s"
            )
        return rate_hz

    def _framed(self, states: NDArray[np.float32], seconds: float) -> NDArray[np.float32]:
        """Bring the features of a clip to (T, L, D), and hold them against those of the test tone."""
        reference = self._code.reference
        expected = self._shape if self._one_vector else ("T", *self._shape)
        if states.ndim != len(expected) or states.shape[-len(self._shape) :] != self._shape or not states.size:
            shape = ", ".join(map(str, expected))
            raise ClipError(f"'{reference}' gave {_shown(states)}, expected the shape ({shape}) as of the test tone")
        if not np.isfinite(states).all():
            raise ClipError(f"'{reference}' gave {_shown(states)}")
        if self._one_vector:
            return states[None, None]  # (D,) -> (1, 1, D)
        if not _fits(len(states), self._rate_hz, seconds):
            raise ClipError(
                f"'{reference}' gave {len(states)} frames of {seconds:.2f} s, expected about"
                f" {self._rate_hz * seconds:.0f}: it pads or cuts, or leaves out much; if that is meant, let it say"
                " frame_rate_hz = 0"
            )
        return states[:, None] if states.ndim == 2 else states


class BroughtFaceEncoder:
    """Code that makes a vector, or layers of vectors, of the crop of a face; picture by picture.

    Parameters
    ----------
    code : BroughtCode
    steps : tuple of str
        Steps that determine the boxes.
    margin : float
        Side of the crop over that of the face's box.
    frame_rate_hz : float
        Nominal.

    Raises
    ------
    EncoderError, PluginError
        As `BroughtSoundEncoder`.
    """

    batching: Batching = "pieces"
    needs = frozenset({"detector"})

    def __init__(self, code: BroughtCode, *, steps: tuple[str, ...], margin: float, frame_rate_hz: float) -> None:
        self._code, self._margin = code, margin
        pictures = np.random.default_rng(0).integers(0, 256, (2, code.size, code.size, 3), np.uint8)
        first, other = (self._tested(picture) for picture in pictures)
        _check_repeats(code, first, self._tested(pictures[0]))
        if first.shape != other.shape:
            raise EncoderError(f"'{code.reference}' gave {_shown(first)} of one picture and {_shown(other)} of another")
        self._shape = first.shape
        steps = (*steps, crop_recipe(margin, code.size))
        self.spec = _spec(code, first.shape, frame_rate_hz, steps)

    def prepare(self, faces: Faces) -> EncoderInput:
        """Crop the faces."""
        return crop_faces(faces, margin=self._margin, size=self._code.size)

    def encode(self, batch: Sequence[EncoderInput]) -> list[NDArray[np.float32]]:
        """Encode crop after crop.

        Raises
        ------
        ClipError
            Where the code fails, or gives what it did not give of the test picture.
        """
        frames = np.empty((sum(piece.n_frames for piece in batch), self.spec.n_layers, self.spec.dim), np.float32)
        for row, picture in enumerate(concatenate(batch)):
            try:
                states = self._code.run("encoding a picture of this clip", picture.copy())
            except (PluginError, EncoderError) as error:
                raise ClipError(str(error)) from error
            if states.shape != self._shape or not np.isfinite(states).all():
                raise ClipError(f"'{self._code.reference}' gave {_shown(states)} of a picture, expected {self._shape}")
            frames[row] = states
        return split_frames(frames, batch)

    def provenance(self) -> dict[str, Any]:
        """Return versions and device."""
        return self._code.provenance()

    def _tested(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        states = self._code.run("encoding a test picture", picture.copy())
        if not 1 <= states.ndim <= 2 or not states.size or not np.isfinite(states).all():
            raise EncoderError(
                f"'{self._code.reference}' gave {_shown(states)} of a test picture; expected finite numbers (L, D) or"
                " (D,)"
            )
        return states


def _spec(code: BroughtCode, shape: tuple[int, ...], rate_hz: float, steps: tuple[str, ...]) -> EncoderSpec:
    if problem := names_problem(code.feature_names, shape[-1]):
        raise EncoderError(f"'{code.reference}': {problem}")
    what = code.reference.rpartition(":")[2]
    return EncoderSpec(
        name=code.name,
        stream=code.stream,
        weights=code.source_sha256,
        layer_convention="as brought/1",
        # NAME too: two encoders may lie in one file. The file's own name says nothing of what it computes.
        preprocessing=(*steps, f"code {what}: {code.identity}"),
        n_layers=shape[0] if len(shape) == 2 else 1,
        dim=shape[-1],
        frame_rate_hz=rate_hz,
        source=code.origin(),
        feature_names=code.feature_names,
        dtype=code.dtype,
    )


def _tone(seconds: float, rate_hz: int) -> NDArray[np.float32]:
    """Make a hum of 120 Hz that swells and fades, with a little noise: something that has pitch and loudness."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    hum = sum(np.sin(2 * np.pi * 120 * n * time_s) / n for n in range(1, 9))
    noise = np.random.default_rng(0).normal(size=len(time_s))
    return np.asarray(0.1 * hum * (1.1 + np.sin(2 * np.pi * 1.5 * time_s)) + 0.002 * noise, np.float32)


def _check_repeats(code: BroughtCode, first: NDArray[np.float32], again: NDArray[np.float32]) -> None:
    if first.shape == again.shape and np.allclose(first, again, rtol=1e-3, atol=1e-3 * float(np.abs(first).max())):
        return
    raise EncoderError(
        f"'{code.reference}' gives other features for the same input the second time; set a seed, switch dropout off"
        " (model.eval()), and keep nothing from clip to clip"
    )


def _common_shape(code: BroughtCode, first: NDArray[np.float32], other: NDArray[np.float32]) -> tuple[int, ...]:
    """Return what all clips have in common: (L, D) or (D,)."""
    shapes = [states.shape if states.ndim == 1 else states.shape[1:] for states in (first, other)]
    if first.ndim != other.ndim or shapes[0] != shapes[1]:
        raise EncoderError(
            f"'{code.reference}' gave {_shown(first)} of a test tone of {TESTED_S[0]:g} s and {_shown(other)} of one of"
            f" {TESTED_S[1]:g} s; expected (T, L, D), (T, D) or (D,) with the same L and D"
        )
    return tuple(shapes[0])


def _fits(n_frames: int, rate_hz: float, seconds: float) -> bool:
    expected = rate_hz * seconds
    return not rate_hz or expected / _FACTOR - _SPARE <= n_frames <= expected * _FACTOR + _SPARE


def _shown(states: NDArray[np.float32]) -> str:
    kind = "numbers" if np.isfinite(states).all() else "NaN or infinite numbers"
    return f"{kind} of the shape {states.shape}"
