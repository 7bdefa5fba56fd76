"""Decode an audio track to a mono waveform, and resample it.

Conventions
-----------
Samples are float32 in [-1, 1], one channel, at the file's own rate. `resample` is the only resampler of the
project (soxr, not PyAV's, whose filter depends on the FFmpeg build); its name is part of every audio cache's
identity. Files are decoded with `soundfile`, which reads wav and flac ten times faster than PyAV; PyAV
reads all other formats.
"""

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from ravfeat.errors import MediaError
from ravfeat.media.base import check_file, check_whole, reason_of

__all__ = ["RESAMPLING", "Waveform", "read_waveform", "resample"]

RESAMPLING = "mono-mean, soxr-HQ/1"
"""Name and version of the conversion from the file's samples to the encoder's rate."""

SILENCE_PEAK = 2.0**-15
"""A clip whose peak is below one step of 16-bit audio counts as silent."""

SOUNDFILE_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".aif", ".aiff", ".au", ".caf", ".w64", ".mp3"})
_BLOCK_SAMPLES = 1 << 20
UNKNOWN_FRAMES = 1 << 62  # libsndfile returns values above this for streams of unknown length
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

        Files with equal digests hold the same recording, whatever their names.
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
        Where the file is missing, unreadable, empty, truncated, not audio, silent, or has NaN samples.
    """
    try:
        check_file(path)
        read = _read_with_soundfile if path.suffix.lower() in SOUNDFILE_SUFFIXES else _read_with_av
        return _checked(path, *read(path))
    except OSError as error:
        raise MediaError(f"{path} cannot be read ({reason_of(error)})") from error
    except MemoryError as error:
        raise MediaError(f"{path} does not fit into memory; split it, or see whether its header is right") from error


def _checked(path: Path, channels: NDArray[np.float32], rate: int) -> Waveform:
    if channels.shape[0] == 0:
        raise MediaError(f"{path} has no samples")
    if not np.isfinite(channels).all():
        bad = int(np.count_nonzero(~np.isfinite(channels)))
        raise MediaError(f"{path} has {bad} samples that are NaN or infinite")
    # (n, channels) -> (n,)
    samples = channels.mean(axis=1, dtype=np.float32) if channels.shape[1] > 1 else channels[:, 0]
    # Around the mean, so that a constant offset does not count as sound.
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
        raise MediaError(f"{path} cannot be decoded as audio ({reason_of(error)})") from error
    if len(channels) < frames < UNKNOWN_FRAMES:
        raise MediaError(f"{path} is truncated: its header promises {frames} samples, {len(channels)} could be decoded")
    return channels, rate


def _read_blocks(file: soundfile.SoundFile) -> NDArray[np.float32]:
    # Block by block, instead of allocating by the header: a damaged one may promise more samples than fit into memory.
    blocks = []
    while len(block := file.read(_BLOCK_SAMPLES, dtype="float32", always_2d=True)):
        blocks.append(block)
    return np.concatenate(blocks) if len(blocks) > 1 else (blocks or [np.zeros((0, 1), np.float32)])[0]


def _wav_data_bytes(path: Path) -> tuple[int, int] | None:
    """Return the bytes of samples that a RIFF header promises, and those in the file; None where unknown."""
    # libsndfile silently reads a truncated wav to its end, so the header is compared with the file here.
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
            return None
        # RIFF chunks are padded to an even number of bytes.
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
            planar = av.AudioResampler(format="fltp")  # converts the sample format only; rate and channels stay
            frames = [block for frame in container.decode(stream) for block in planar.resample(frame)]
            frames += planar.resample(None)
            if not frames:
                raise MediaError(f"{path} has no samples")
            rate = int(frames[0].sample_rate)  # from the decoder: with AAC-SBR it is twice the header's rate
            channels = np.concatenate([frame.to_ndarray() for frame in frames], axis=1).T
            promised_s = float(stream.duration * stream.time_base) if stream.duration else math.nan
    except (av.FFmpegError, ValueError) as error:
        raise MediaError(f"{path} cannot be decoded as audio ({reason_of(error)})") from error
    check_whole(path, len(channels) / rate, promised_s)
    return channels, rate


def resample(waveform: Waveform, sample_rate_hz: int) -> NDArray[np.float32]:
    """Resample a waveform (soxr, quality HQ).

    Returns
    -------
    ndarray of shape (m,), float32
        m is n × new rate / old rate, rounded.

    Raises
    ------
    MediaError
        Where soxr does not support the pair of rates.
    """
    if waveform.sample_rate_hz == sample_rate_hz:
        return waveform.samples
    try:
        resampled = soxr.resample(waveform.samples, waveform.sample_rate_hz, sample_rate_hz, quality="HQ")
    except (ValueError, RuntimeError) as error:
        raise MediaError(
            f"cannot be resampled from {waveform.sample_rate_hz} Hz to {sample_rate_hz} Hz ({reason_of(error)})"
        ) from error
    return np.asarray(resampled, dtype=np.float32)
