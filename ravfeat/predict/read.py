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
from ravfeat.media.active import active_part
from ravfeat.media.augment import View
from ravfeat.media.sound import MAX_PEAK, SILENCE_PEAK, Waveform, read_waveform
from ravfeat.media.source import Recording, Source
from ravfeat.predict.result import Envelope
from ravfeat.predict.windows import MIN_WINDOW_S, Window, Windowing

__all__ = ["EncoderGroup", "Samples", "SoundRead", "ToPredict", "clip_of", "read_recording", "waveform_of"]

Samples = tuple[int, Any]
"""Rate in Hz, and an array of shape (n,) or (n, channels): integers, or floats in [-1, 1]."""

MIN_RATE_HZ, MAX_RATE_HZ = 2000, 768_000
"""Samples per second that speech needs, and more than any recorder takes."""

_MAX_CHANNELS = 64
_ENVELOPE_HZ = 50
_CLOSE_S = 0.25
_BLOCK = 1 << 20


@dataclass(frozen=True)
class EncoderGroup:
    """Encoders that read the same input.

    Attributes
    ----------
    source : Source
        Reads waveforms, or pictures with faces.
    encoders : mapping of int to Encoder
    views : mapping of int to View
        For encoders that get a view of every window; a view that draws does so as for a clip without a name.
    """

    source: Source[Any]
    encoders: Mapping[EncoderIndex, Encoder[Any]]
    views: Mapping[EncoderIndex, View] = field(default_factory=dict)

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
        Of the whole recording: where there is no sound in one, its clip fails.
    speech_db : tuple of float
        Of every window, and at the end of the whole; decibels of full scale. NaN where there is no sound.
    start_s : float
        When the sound begins.
    duration_s : float
        Of the recording, which is the longer of sound and pictures.
    input_sha256 : str
    envelope : Envelope or None
    """

    reason: str = ""
    windows: tuple[Window, ...] = ()
    speech_db: tuple[float, ...] = ()
    start_s: float = 0.0
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
        rate = self.waveform.sample_rate_hz
        return Recording(len(samples), float(rate), self.waveform.sha256, active_part(samples, rate).columns())

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
    seen_s = 0.0
    for group in groups:
        if not group.listens:
            clip = clip_of(recording)
            if recording.waveform is None:
                for event in read_clip(clip, Path(), group.source, group.encoders):
                    if isinstance(event, ClipEnd) and event.recording is not None:
                        seen_s = max(seen_s, event.recording.n_samples / event.recording.rate_hz)
                    yield event
            else:
                reason = f"{recording.path} are samples of sound, without pictures"
                yield ClipEnd(clip, reasons=dict.fromkeys(group.encoders, reason))
    for group in groups:
        if group.listens:
            yield from _read_sound(recording, group, windowing, seen_s)


def _read_sound(
    recording: ToPredict, group: EncoderGroup, windowing: Windowing, seen_s: float
) -> Generator[Event | SoundRead, None, None]:
    try:
        waveform = recording.waveform or read_waveform(Path(recording.path), limit_s=recording.limit_s)
        if waveform.sample_rate_hz < MIN_RATE_HZ:
            raise MediaError(f"{waveform.sample_rate_hz} samples a second hold no speech")
        end_s = waveform.start_s + waveform.duration_s
        # Pictures that go on for a moment make no window of their own.
        duration_s = max(end_s, seen_s) if seen_s > end_s + _CLOSE_S else end_s
        windows = windowing.of(duration_s)
        cuts = [cut(waveform, window) for window in windows] if len(windows) > 1 else [waveform]
        levels = tuple(map(_level_db, (*cuts, waveform)))
        sound = SoundRead("", windows, levels, waveform.start_s, duration_s, waveform.sha256, _envelope(waveform))
    except (MediaError, MemoryError) as error:
        yield SoundRead(str(error) or "does not fit into memory")
        return
    yield sound
    for window, piece in zip(windows, cuts, strict=True):
        if piece.duration_s < MIN_WINDOW_S and len(windows) > 1:
            reason = f"no sound between {window[0]:.1f} and {window[1]:.1f} s"
            yield ClipEnd(clip_of(recording), reasons=dict.fromkeys(group.encoders, reason))
        else:
            yield from read_clip(clip_of(recording), Path(), _Cut(piece), group.encoders, group.views)


def clip_of(recording: ToPredict) -> Clip:
    """Give the clip that stands for a recording where clips are encoded: it has a path and nothing else."""
    return Clip("", "", "", "", "", recording.path)


def cut(waveform: Waveform, window: Window) -> Waveform:
    """Cut a window out of a waveform."""
    start, end = (max(0, round((time_s - waveform.start_s) * waveform.sample_rate_hz)) for time_s in window)
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
    if isinstance(rate, bool) or not isinstance(rate, int | np.integer) or not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
        raise UsageError(
            f"{name}: the rate is {rate!r}, expected samples per second, a whole number from {MIN_RATE_HZ} to"
            f" {MAX_RATE_HZ}"
        )
    wide = array.ndim == 2 and array.shape[1] > _MAX_CHANNELS  # channels lie in the first axis
    if array.ndim not in (1, 2) or not array.size or array.dtype.kind not in "if" or wide:
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
    samples = waveform.samples
    if not len(samples):
        return math.nan
    mean = float(samples.mean(dtype=np.float64))
    # Block by block: an hour in double precision would take gigabytes.
    blocks = (samples[start : start + _BLOCK] - mean for start in range(0, len(samples), _BLOCK))
    power = sum(float(np.dot(block, block)) for block in blocks) / len(samples)
    return 10 * math.log10(max(power, 1e-12))


def _envelope(waveform: Waveform) -> Envelope:
    step = max(1, waveform.sample_rate_hz // _ENVELOPE_HZ)
    rate_hz = waveform.sample_rate_hz / step
    samples = waveform.samples
    starts = np.arange(0, len(samples), step)
    peaks = np.maximum(np.maximum.reduceat(samples, starts), -np.minimum.reduceat(samples, starts))
    before = np.zeros(round(waveform.start_s * rate_hz), np.float32)
    return Envelope(rate_hz, np.concatenate([before, np.minimum(peaks, 1.0)]))
