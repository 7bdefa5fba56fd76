"""Media files to arrays: a path becomes one mono waveform.

Conventions
-----------
Samples are float32 in [-1, 1], one channel, at the file's own rate. `resample` is the one
resampler of the project; its name is part of every audio cache's identity. `soundfile` reads wav
and flac ten times faster than PyAV; PyAV reads everything else.

Offers
------
Waveform, read_waveform, resample, probe_duration, RESAMPLING.
"""

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from ravfeat.errors import MediaError

__all__ = ["RESAMPLING", "Waveform", "probe_duration", "read_waveform", "resample"]

RESAMPLING = "mono-mean, soxr-HQ/1"
"""Name and version of what happens between the file's samples and the encoder's rate."""

SILENCE_PEAK = 2.0**-15
"""A clip whose loudest sample stays below one step of 16-bit audio is silent."""

_SOUNDFILE_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".aif", ".aiff", ".au", ".caf", ".w64", ".mp3"})
_BLOCK_SAMPLES = 1 << 20
_UNKNOWN_FRAMES = 1 << 62  # libsndfile's answer where a stream has no length
_STREAMED_SIZES = frozenset({0, 0x7FFFFFFF, 0x7FFFF000, 0xFFFFFFFF})


@dataclass(frozen=True)
class Waveform:
    """One decoded clip.

    Attributes
    ----------
    samples : ndarray of shape (n,), float32
        One channel, in [-1, 1].
    sample_rate_hz : int
        The file's own rate.
    """

    samples: NDArray[np.float32]
    sample_rate_hz: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate_hz

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the rate (8 bytes, little endian) and the samples (float32, little endian).

        Two files with the same digest hold the same recording, whatever they are called.
        """
        digest = hashlib.sha256(self.sample_rate_hz.to_bytes(8, "little"))
        digest.update(np.ascontiguousarray(self.samples, dtype="<f4").data)
        return digest.hexdigest()


def read_waveform(path: Path) -> Waveform:
    """Decode one file to mono at its own rate.

    Parameters
    ----------
    path : Path
        Any file with an audio track that soundfile or PyAV can decode.

    Raises
    ------
    MediaError
        Where the file is missing, unreadable, empty, truncated, not audio, silent, or holds NaN.
    """
    try:
        if not path.is_file():
            raise MediaError(f"{path} is {'not a file' if path.exists() else 'not there'}")
        if path.stat().st_size == 0:
            raise MediaError(f"{path} is empty (0 bytes)")
        read = _read_with_soundfile if path.suffix.lower() in _SOUNDFILE_SUFFIXES else _read_with_av
        return _checked(path, *read(path))
    except OSError as error:
        raise MediaError(f"{path} cannot be read ({_reason(error)})") from error
    except MemoryError as error:
        raise MediaError(f"{path} does not fit into memory; split it, or see whether its header is right") from error


def _checked(path: Path, channels: NDArray[np.float32], rate: int) -> Waveform:
    if channels.shape[0] == 0:
        raise MediaError(f"{path} has no samples")
    if not np.isfinite(channels).all():
        bad = int(np.count_nonzero(~np.isfinite(channels)))
        raise MediaError(f"{path} has {bad} samples that are NaN or infinite")
    samples = channels.mean(axis=1, dtype=np.float32) if channels.shape[1] > 1 else channels[:, 0]
    peak = float(np.abs(samples - samples.mean()).max())
    if peak < SILENCE_PEAK:
        raise MediaError(f"{path} is silent (peak {peak:.1e} around its mean)")
    return Waveform(np.ascontiguousarray(samples, dtype=np.float32), rate)


def _read_with_soundfile(path: Path) -> tuple[NDArray[np.float32], int]:
    promised = _wav_data_bytes(path) if path.suffix.lower() == ".wav" else None
    if promised is not None and promised[0] > promised[1]:
        raise MediaError(
            f"{path} is truncated: its header promises {promised[0]} bytes of samples, the file holds {promised[1]}"
        )
    try:
        with soundfile.SoundFile(path) as file:
            frames, rate = len(file), int(file.samplerate)
            channels = _read_blocks(file)
    except soundfile.SoundFileError as error:
        raise MediaError(f"{path} cannot be decoded as audio ({_reason(error)})") from error
    if len(channels) < frames < _UNKNOWN_FRAMES:
        raise MediaError(f"{path} is truncated: its header promises {frames} samples, {len(channels)} could be decoded")
    return channels, rate


def _read_blocks(file: soundfile.SoundFile) -> NDArray[np.float32]:
    # Block by block: a damaged header may promise more samples than any memory holds.
    blocks = []
    while len(block := file.read(_BLOCK_SAMPLES, dtype="float32", always_2d=True)):
        blocks.append(block)
    return np.concatenate(blocks) if len(blocks) > 1 else (blocks or [np.zeros((0, 1), np.float32)])[0]


def _wav_data_bytes(path: Path) -> tuple[int, int] | None:
    """Bytes of samples a RIFF header promises and the file holds; None where that is not known."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
            return None
        while len(chunk := file.read(8)) == 8:
            name, length = chunk[:4], int.from_bytes(chunk[4:], "little")
            if name == b"data":
                return None if length in _STREAMED_SIZES else (length, size - file.tell())
            file.seek(length + length % 2, 1)
    return None


def _read_with_av(path: Path) -> tuple[NDArray[np.float32], int]:
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise MediaError(f"{path} has no audio track")
            stream = container.streams.audio[0]
            planar = av.AudioResampler(format="fltp")  # same rate and layout: only the sample format changes
            frames = [block for frame in container.decode(stream) for block in planar.resample(frame)]
            frames += planar.resample(None)
            if not frames:
                raise MediaError(f"{path} has no samples")
            rate = int(frames[0].sample_rate)  # the decoder knows better than the header (SBR doubles the rate)
            channels = np.concatenate([frame.to_ndarray() for frame in frames], axis=1).T
            promised_s = float(stream.duration * stream.time_base) if stream.duration else math.nan
    except (av.FFmpegError, ValueError) as error:
        raise MediaError(f"{path} cannot be decoded as audio ({_reason(error)})") from error
    _check_whole(path, len(channels) / rate, promised_s)
    return channels, rate


def _check_whole(path: Path, got_s: float, promised_s: float) -> None:
    # A container may round its duration and a codec may pad; a lost tail is longer than both.
    if promised_s - got_s > max(0.1, 0.05 * promised_s):
        raise MediaError(f"{path} is truncated: its header promises {promised_s:.2f} s, {got_s:.2f} s could be decoded")


def _reason(error: BaseException) -> str:
    # Errors of the system, FFmpeg and libsndfile repeat the path; their text alone is enough.
    text = getattr(error, "strerror", None) or getattr(error, "error_string", None) or str(error)
    return str(text).strip().rstrip(".").replace("\n", " ") or type(error).__name__


def probe_duration(path: Path) -> float:
    """Give a file's length in seconds from its header, without decoding it.

    Returns
    -------
    float
        NaN where the header cannot be read; decoding will say why.
    """
    try:
        if path.suffix.lower() in _SOUNDFILE_SUFFIXES:
            info: Any = soundfile.info(str(path))
            known = info.samplerate and info.frames < _UNKNOWN_FRAMES
            return float(info.frames) / float(info.samplerate) if known else math.nan
        with av.open(str(path)) as container:
            if container.duration:
                return float(container.duration / av.time_base)
            return _duration_of_packets(container)
    except (soundfile.SoundFileError, av.FFmpegError, OSError, ValueError):
        return math.nan


def _duration_of_packets(container: Any) -> float:
    # What browsers record has no length in its header; its packets do.
    if not container.streams.audio:
        return math.nan
    ends = [
        float((packet.pts + (packet.duration or 0)) * packet.time_base)
        for packet in container.demux(container.streams.audio[0])
        if packet.pts is not None
    ]
    return float(max(ends, default=math.nan))


def resample(waveform: Waveform, sample_rate_hz: int) -> NDArray[np.float32]:
    """Give the samples at another rate (soxr, quality HQ).

    Returns
    -------
    ndarray of shape (m,), float32
        m is n × new rate / old rate, rounded.

    Raises
    ------
    MediaError
        Where soxr cannot go from the one rate to the other.
    """
    if waveform.sample_rate_hz == sample_rate_hz:
        return waveform.samples
    try:
        resampled = soxr.resample(waveform.samples, waveform.sample_rate_hz, sample_rate_hz, quality="HQ")
    except (ValueError, RuntimeError) as error:
        raise MediaError(
            f"cannot be resampled from {waveform.sample_rate_hz} Hz to {sample_rate_hz} Hz ({_reason(error)})"
        ) from error
    return np.asarray(resampled, dtype=np.float32)
