"""Small sound files for tests: a tone with noise in any container that PyAV or soundfile writes."""

from pathlib import Path

import av
import numpy as np
import soundfile
from numpy.typing import NDArray


def tone(rate: int, seconds: float = 1.0, hz: float = 440.0) -> NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def noisy_tone(rate: int, seconds: float = 3.0) -> NDArray[np.float32]:
    """A tone that no codec makes small."""
    noise = np.random.default_rng(0).normal(0, 0.1, round(rate * seconds)).astype(np.float32)
    return tone(rate, seconds) / 2 + noise


def write_av(
    path: Path, samples: NDArray[np.float32], rate: int, codec: str, *, muxer: str | None = None, **options: str
) -> Path:
    """Encode one channel with FFmpeg; options are the muxer's."""
    with av.open(str(path), "w", format=muxer, options=options) as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return path


def write_sound(path: Path, how: str, *, seconds: float = 3.0, **options: str) -> Path:
    """Write a noisy tone as ``soundfile:FORMAT:SUBTYPE`` or as the codec of FFmpeg with this name."""
    rate = 48_000 if "opus" in how.lower() else 44_100 if path.suffix == ".flv" else 16_000
    if not how.startswith("soundfile:"):
        return write_av(path, noisy_tone(rate, seconds), rate, how, **options)
    _, kind, subtype = how.split(":")
    soundfile.write(path, noisy_tone(rate, seconds), rate, format=kind, subtype=subtype)
    return path
