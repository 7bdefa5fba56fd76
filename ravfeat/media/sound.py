"""Decode an audio track to a mono waveform, and resample it.

Conventions
-----------
Samples are float32 in [-1, 1], one channel, at the file's own rate. `resample` is the only resampler of the
project (soxr, not PyAV's, whose filter depends on the FFmpeg build); its name is part of every audio cache's
identity. Files are decoded with `soundfile`, which reads wav and flac ten times faster than PyAV; PyAV
reads all other formats, and files that soundfile cannot open or whose length it cannot tell.
"""

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from ravfeat.errors import MediaError
from ravfeat.media.base import check_file, check_limit, check_whole, open_media, promised_s, reason_of
from ravfeat.media.container import promised_share

__all__ = ["RESAMPLING", "Waveform", "check_audible", "exact_length", "read_exactly", "read_waveform", "resample"]

RESAMPLING = "mono-mean, soxr-HQ/1"
"""Name and version of the conversion from the file's samples to the encoder's rate."""

SILENCE_PEAK = 2.0**-15
"""A clip whose peak is below one step of 16-bit audio counts as silent."""

MAX_PEAK = 8.0
"""18 dB above full scale: more than float recordings that were mixed too loud, less than integers stored as floats."""

CANCELLED = 0.01
"""Channels cancel each other where their mean is so much quieter than the loudest of them (-40 dB)."""

SOUNDFILE_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".aif", ".aiff", ".au", ".caf", ".w64", ".mp3"})
_LOSSLESS_FORMATS = frozenset({"WAV", "WAVEX", "RF64", "FLAC", "AIFF", "AU", "CAF", "W64"})
_LOSSLESS_CODINGS = frozenset(
    {"PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"}
)  # of a fixed size per sample, or FLAC's frames: any sample is found exactly
_BLOCK_SAMPLES = 1 << 20
_LATE_S = 0.1
UNKNOWN_FRAMES = 1 << 62  # libsndfile returns values above this for streams of unknown length
_MP3_PADDING_SAMPLES = 3000
"""Upper bound of what an MP3 encoder adds at both ends, and decoders remove."""


@dataclass(frozen=True)
class Waveform:
    """One decoded clip.

    Attributes
    ----------
    samples : ndarray of shape (n,), float32
        One channel, in [-1, 1].
    sample_rate_hz : int
        The file's own rate.
    start_s : float
        When it begins, in seconds from the start of the recording: the sound of a video may begin late.
    """

    samples: NDArray[np.float32]
    sample_rate_hz: int
    start_s: float = 0.0

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


def read_waveform(path: Path, *, limit_s: float = math.inf) -> Waveform:
    """Decode one file to mono at its own rate.

    Parameters
    ----------
    path : Path
        Any file with an audio track that soundfile or PyAV can decode.
    limit_s : float
        More than this is refused as soon as it is decoded.

    Raises
    ------
    MediaError
        Where the file is missing, unreadable, empty, truncated, not audio, silent, or has NaN samples; where it holds
        several recordings one after the other, samples far outside [-1, 1], or channels that cancel each other.
    """
    with _readable(path):
        check_file(path)
        share = promised_share(path)
        channels, rate, start_s = _decode(path, limit_s)
        _check_count(path, len(channels) / rate, share * len(channels) / rate)
        return Waveform(_mono(path, channels), rate, start_s)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MediaError(f"{path} cannot be read ({reason_of(error)})") from error
    except MemoryError as error:
        raise MediaError(f"{path} does not fit into memory; split it, or see whether its header is right") from error


def exact_length(path: Path) -> tuple[int, int] | None:
    """Check a file as a whole, without decoding it, and return the number of its samples and its rate.

    Returns
    -------
    tuple of int, or None
        None for a file of which `read_exactly` cannot read a part: neither soundfile's, nor lossless.

    Raises
    ------
    MediaError
        Where the file is missing, empty or truncated, or holds several recordings one after the other.
    """
    with _readable(path):
        check_file(path)
        if path.suffix.lower() not in SOUNDFILE_SUFFIXES:
            return None
        try:
            file = soundfile.SoundFile(path)
        except (soundfile.SoundFileError, UnicodeError):
            return None
        with file:
            frames, rate = len(file), int(file.samplerate)
            lossless = file.format in _LOSSLESS_FORMATS and file.subtype in _LOSSLESS_CODINGS
            if not (lossless and file.seekable() and 0 < frames < UNKNOWN_FRAMES):
                return None
            is_flac = file.format == "FLAC"
        _check_count(path, frames / rate, promised_share(path) * frames / rate)
        if is_flac:
            _check_all_read(path, frames, rate)
        return frames, rate


def read_exactly(path: Path, start: int, stop: int) -> Waveform:
    """Read the samples from ``start`` to ``stop`` of a file that has an `exact_length`; bits as in the whole file.

    Raises
    ------
    MediaError
        As `read_waveform`, of the part only.
    """
    with _readable(path):
        try:
            with soundfile.SoundFile(path) as file:
                file.seek(start)
                channels, rate = file.read(stop - start, dtype="float32", always_2d=True), int(file.samplerate)
        except soundfile.SoundFileError as error:
            raise MediaError(f"{path} cannot be decoded as audio ({reason_of(error)})") from error
        _check_count(path, len(channels) / rate, (stop - start) / rate)
        return Waveform(_mono(path, channels), rate)


def _check_count(path: Path, got_s: float, length_s: float) -> None:
    # Headers that count samples or bytes are exact; some programs are off by a block.
    check_whole(path, got_s, length_s, slack_s=min(0.05, 0.05 * length_s))


def _mono(path: Path, channels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average the channels; refuse samples that are no sound in [-1, 1]."""
    if channels.shape[0] == 0:
        raise MediaError(f"{path} has no samples")
    if not np.isfinite(channels).all():
        bad = int(np.count_nonzero(~np.isfinite(channels)))
        raise MediaError(f"{path} has {bad} samples that are NaN or infinite")
    _check_scale(path, max(float(channels.max()), -float(channels.min())))
    # (n, channels) -> (n,)
    samples = channels.mean(axis=1, dtype=np.float32) if channels.shape[1] > 1 else channels[:, 0]
    if channels.shape[1] > 1:
        _check_cancelling(path, channels, samples)
    check_audible(path, samples)
    return np.ascontiguousarray(samples, dtype=np.float32)


def check_audible(path: Path, samples: NDArray[np.float32]) -> None:
    """Refuse samples of shape (n,) that are silence.

    Raises
    ------
    MediaError
    """
    # Around the mean, so that a constant offset does not count as sound.
    peak = float(np.abs(samples - samples.mean()).max())
    if peak < SILENCE_PEAK:
        raise MediaError(f"{path} is silent (peak {peak:.1e} around its mean)")


def _check_scale(path: Path, peak: float) -> None:
    if peak <= MAX_PEAK:
        return
    bits = next((bits for bits in (16, 24, 32) if peak <= 2.0 ** (bits - 1)), None)
    scale = f"{bits}-bit integers stored as floats: divide them by {1 << bits - 1}" if bits else "no integer format"
    raise MediaError(
        f"{path} has samples up to {peak:.6g}, expected them in [-1, 1]; their scale is that of {scale}, and write the"
        " file again"
    )


def _check_cancelling(path: Path, channels: NDArray[np.float32], samples: NDArray[np.float32]) -> None:
    # From peak to peak, which needs no copy of an hour of sound.
    loudness = np.ptp(channels, axis=0)
    loudest = int(loudness.argmax())
    if loudness[loudest] > 2 * SILENCE_PEAK and np.ptp(samples) < CANCELLED * loudness[loudest]:
        raise MediaError(
            f"{path} has channels that cancel each other: their mean is almost silent, because one is the other upside"
            f" down; keep one of them: ffmpeg -i {path.name} -af 'pan=mono|c0=c{loudest}' NEW{path.suffix}"
        )


def _decode(path: Path, limit_s: float) -> tuple[NDArray[np.float32], int, float]:
    """Return samples of shape (n, channels), the rate, and when they begin."""
    if path.suffix.lower() not in SOUNDFILE_SUFFIXES:
        return _read_with_av(path, limit_s)
    try:
        file = soundfile.SoundFile(path)
    except (soundfile.SoundFileError, UnicodeError):  # soundfile takes only names that are text
        return _read_with_av(path, limit_s)  # another format than its name says, or a codec that libsndfile has not
    with file:
        if file.format == "MP3" and not is_mp3(path):
            return _read_with_av(path, limit_s)
        frames, rate = len(file), int(file.samplerate)
        try:
            channels = _read_blocks(path, file, limit_s)
        except soundfile.SoundFileError as error:
            if frames >= UNKNOWN_FRAMES:
                return _read_with_av(path, limit_s)  # FLAC from a pipe
            raise MediaError(f"{path} cannot be decoded as audio ({reason_of(error)})") from error
    if not len(channels):
        return _read_with_av(path, limit_s)  # a wav that promises 0 bytes, because its writer did not know better
    if frames < UNKNOWN_FRAMES:
        _check_count(path, len(channels) / rate, frames / rate)
    if file.format in {"FLAC", "MP3"}:
        _check_all_read(path, len(channels) + (_MP3_PADDING_SAMPLES if file.format == "MP3" else 0), rate)
    return channels, rate, 0.0


def is_mp3(path: Path) -> bool:
    """Whether FFmpeg takes a file for MP3 that libsndfile does, which looks for frames anywhere, also in AAC."""
    try:
        with open_media(path) as container:
            return bool(container.format.name == "mp3")
    except (av.FFmpegError, ValueError):
        return True


def _check_all_read(path: Path, n_samples: int, rate: int) -> None:
    """Refuse a file that holds more frames than its header counts, which libsndfile would leave out, or other ones."""
    try:
        with open_media(path) as container:
            packets = list(container.demux(container.streams.audio[0]))
            length_s = float(sum((packet.duration or 0) * packet.time_base for packet in packets))
            rates = {frame.sample_rate for packet in packets[:1] for frame in packet.decode()} - {rate}
    except (av.FFmpegError, ValueError, IndexError):
        return  # libsndfile could read it
    if rates:
        raise MediaError(
            f"{path} is damaged: its header says {rate} Hz, its first frame {rates.pop()} Hz; copy it again"
        )
    if length_s > n_samples / rate + 0.05:
        raise MediaError(
            f"{path} holds {length_s:.2f} s of sound, but its header promises {n_samples / rate:.2f} s: it is wrong, or"
            " these are several recordings, one after the other; write the file again, or split it"
        )


def _read_blocks(path: Path, file: soundfile.SoundFile, limit_s: float) -> NDArray[np.float32]:
    # Block by block, instead of allocating by the header: a damaged one may promise more samples than fit into memory.
    blocks = []
    while len(block := file.read(_BLOCK_SAMPLES, dtype="float32", always_2d=True)):
        blocks.append(block)
        check_limit(path, sum(map(len, blocks)) / file.samplerate, limit_s)
    return np.concatenate(blocks) if len(blocks) > 1 else (blocks or [np.zeros((0, 1), np.float32)])[0]


def _read_with_av(path: Path, limit_s: float) -> tuple[NDArray[np.float32], int, float]:
    try:
        with open_media(path) as container:
            if not container.streams.audio:
                raise MediaError(f"{path} has no audio track")
            stream = container.streams.audio[0]
            planar = av.AudioResampler(format="fltp")  # converts the sample format only; rate and channels stay
            first_s, blocks, got_s = None, [], 0.0
            for frame in container.decode(stream):
                if first_s is None:
                    first_s = frame.time or 0.0
                got_s += frame.samples / frame.sample_rate
                check_limit(path, got_s, limit_s)
                blocks += planar.resample(frame)
            blocks += planar.resample(None)
            if not blocks:
                raise MediaError(f"{path} has no samples")
            rate = int(blocks[0].sample_rate)  # from the decoder: with AAC-SBR it is twice the header's rate
            channels = np.concatenate([block.to_ndarray() for block in blocks], axis=1).T
            length_s = promised_s(container, stream, first_s or 0.0)
            start_s = (first_s or 0.0) - (container.start_time or 0) / av.time_base
    except (av.FFmpegError, ValueError) as error:
        raise MediaError(f"{path} cannot be decoded as audio ({reason_of(error)})") from error
    # Stamps are rounded, and sound that was recorded beside pictures may have small gaps.
    check_whole(path, len(channels) / rate, length_s, slack_s=max(0.1, 0.01 * length_s))
    # Encoders put a few milliseconds before the sound.
    return channels, rate, start_s if start_s > _LATE_S else 0.0


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
