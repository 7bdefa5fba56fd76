"""Read recordings for a prediction: decode each once, cut the sound into windows, find the face in the pictures.

A window of sound is encoded like a clip of its own, since encoders of speech look at the whole clip. Pictures are
encoded one by one, so all of a recording are read and its windows are taken of the results.
"""

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ravfeat.encoders.base import Encoder
from ravfeat.errors import ClipError, MediaError, UsageError
from ravfeat.extract.decode import ClipEnd, EncoderIndex, Event, read_clip
from ravfeat.manifest import Clip
from ravfeat.media.sound import MAX_PEAK, SILENCE_PEAK, Waveform, read_waveform
from ravfeat.media.source import Recording, Source
from ravfeat.predict.result import Envelope
from ravfeat.predict.windows import Window, Windowing

__all__ = ["EncoderGroup", "Samples", "SoundRead", "ToPredict", "clip_of", "read_recording", "waveform_of"]

Samples = tuple[int, Any]
"""Rate in Hz, and an array of shape (n,) or (n, channels): integers, or floats in [-1, 1]."""

_ENVELOPE_HZ = 50


@dataclass(frozen=True)
class EncoderGroup:
    """Encoders that read the same input.

    Attributes
    ----------
    source : Source
        Reads waveforms, or pictures with faces.
    encoders : mapping of int to Encoder
    """

    source: Source[Any]
    encoders: Mapping[EncoderIndex, Encoder[Any]]

    @property
    def listens(self) -> bool:
        """Whether the encoders read sound."""
        return any(encoder.spec.stream == "audio" for encoder in self.encoders.values())


@dataclass(frozen=True)
class ToPredict:
    """A recording that is to be predicted.

    Attributes
    ----------
    path : str
        As it was named; of samples, what stands for a name.
    waveform : Waveform or None
        Of samples that are in memory already.
    limit_s : float
        Longer sound is refused as soon as that much is decoded.
    """

    path: str
    waveform: Waveform | None = None
    limit_s: float = math.inf


@dataclass(frozen=True)
class SoundRead:
    """The sound of a recording; comes before its windows.

    Attributes
    ----------
    reason : str
        Why there is no sound; the rest is empty then.
    windows : tuple of (float, float)
    speech_db : tuple of float
        Of every window, and at the end of the whole; decibels of full scale.
    duration_s : float
    input_sha256 : str
    envelope : Envelope or None
    """

    reason: str = ""
    windows: tuple[Window, ...] = ()
    speech_db: tuple[float, ...] = ()
    duration_s: float = np.nan
    input_sha256: str = ""
    envelope: Envelope | None = None


@dataclass(frozen=True)
class _Cut:
    """Source of one window of a waveform."""

    waveform: Waveform
    readers: int = field(default=1)

    def read(self, clip: Clip, root: Path) -> Generator[Waveform, None, Recording]:
        samples = self.waveform.samples
        if np.abs(samples - samples.mean()).max() < SILENCE_PEAK:
            raise ClipError("silent")
        yield self.waveform
        return Recording(len(samples), float(self.waveform.sample_rate_hz), self.waveform.sha256)

    def provenance(self) -> dict[str, Any]:
        return {}


def read_recording(
    recording: ToPredict, groups: Sequence[EncoderGroup], windowing: Windowing
) -> Generator[Event | SoundRead, None, None]:
    """Read a recording for groups of encoders; runs in a background thread.

    Yields
    ------
    PreparedPiece, ClipEnd
        For every group that looks, the events of one clip: the whole recording.
    SoundRead
        Then, where a group listens; for each of its windows the events of a clip follow.
    """
    for group in groups:
        if not group.listens:
            clip = clip_of(recording)
            if recording.waveform is None:
                yield from read_clip(clip, Path(), group.source, group.encoders)
            else:
                reason = f"{recording.path} are samples of sound, without pictures"
                yield ClipEnd(clip, reasons=dict.fromkeys(group.encoders, reason))
    for group in groups:
        if group.listens:
            yield from _read_sound(recording, group, windowing)


def _read_sound(
    recording: ToPredict, group: EncoderGroup, windowing: Windowing
) -> Generator[Event | SoundRead, None, None]:
    try:
        waveform = recording.waveform or read_waveform(Path(recording.path), limit_s=recording.limit_s)
    except (MediaError, MemoryError) as error:
        yield SoundRead(str(error) or "does not fit into memory")
        return
    windows = windowing.of(waveform.duration_s)
    cuts = [cut(waveform, window) for window in windows] if len(windows) > 1 else [waveform]
    levels = tuple(map(_level_db, (*cuts, waveform)))
    envelope = _envelope(waveform)
    yield SoundRead("", windows, levels, waveform.duration_s, waveform.sha256, envelope)
    for piece in cuts:
        yield from read_clip(clip_of(recording), Path(), _Cut(piece), group.encoders)


def clip_of(recording: ToPredict) -> Clip:
    """Give the clip that stands for a recording where clips are encoded: it has a path and nothing else."""
    return Clip("", "", "", "", "", recording.path)


def cut(waveform: Waveform, window: Window) -> Waveform:
    """Cut a window out of a waveform."""
    start, end = (round(time_s * waveform.sample_rate_hz) for time_s in window)
    return Waveform(waveform.samples[start:end], waveform.sample_rate_hz)


def waveform_of(samples: Samples, name: str) -> Waveform:
    """Make a waveform of samples, averaged over the channels.

    Raises
    ------
    UsageError
        For a rate that is none, an array of another shape or kind, no samples, samples that are not finite or far
        outside [-1, 1].
    """
    rate, values = samples
    array = np.asarray(values)
    if isinstance(rate, bool) or not isinstance(rate, int | np.integer) or rate <= 0:
        raise UsageError(f"{name}: the rate is {rate!r}, expected samples per second, a whole number")
    if array.ndim not in (1, 2) or not array.size or array.dtype.kind not in "if":
        raise UsageError(
            f"{name}: samples of shape {array.shape}, {array.dtype}; expected (n,) or (n, channels), integers or floats"
        )
    if array.dtype.kind == "i":
        array = array / np.float32(-int(np.iinfo(array.dtype).min))
    array = array.astype(np.float32, copy=False)
    if not np.isfinite(array).all() or np.abs(array).max() > MAX_PEAK:
        raise UsageError(f"{name}: samples are not finite or far outside [-1, 1]; divide integers stored as floats")
    mono = array.mean(axis=1, dtype=np.float32) if array.ndim == 2 else array
    return Waveform(np.ascontiguousarray(mono), int(rate))


def _level_db(waveform: Waveform) -> float:
    samples = waveform.samples.astype(np.float64)
    power = float(np.mean((samples - samples.mean()) ** 2)) if len(samples) else 0.0
    return 10 * float(np.log10(max(power, 1e-12)))


def _envelope(waveform: Waveform) -> Envelope:
    step = max(1, waveform.sample_rate_hz // _ENVELOPE_HZ)
    samples = np.abs(waveform.samples)
    padded = np.pad(samples, (0, -len(samples) % step))
    return Envelope(waveform.sample_rate_hz / step, np.minimum(padded.reshape(-1, step).max(axis=1), 1.0))
