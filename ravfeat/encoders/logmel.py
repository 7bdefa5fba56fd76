"""Log-mel energies with delta and delta-delta: an encoder without weights, as a baseline.

Conventions
-----------
16 kHz, Hann window of 400 samples every 160, 64 bands on the HTK mel scale from 20 Hz to 8 kHz,
natural logarithm. Layer 0 is the energies, 1 their delta, 2 the delta of the delta (regression
over two frames to each side, edges repeated), as in Young et al., The HTK Book, section 5.9.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.encoders.base import Batching, EncoderInput, EncoderSpec
from ravfeat.errors import ClipError
from ravfeat.media.sound import RESAMPLING, Waveform, resample

__all__ = ["LogMelEncoder"]

SAMPLE_RATE_HZ = 16_000
WINDOW = 400
HOP = 160
BANDS = 64
LOWEST_HZ = 20.0
FLOOR = 1e-10


class LogMelEncoder:
    """Static, Δ and ΔΔ log-mel energies as three layers of 64 dimensions, 100 frames a second."""

    batching: Batching = "equal"

    def __init__(self) -> None:
        self.spec = EncoderSpec(
            name="logmel",
            stream="audio",
            weights="none",
            layer_convention="static, delta, delta-delta/1",
            preprocessing=(RESAMPLING, "logmel: 16 kHz, hann 400, hop 160, 64 htk mel 20-8000 Hz, ln/1"),
            n_layers=3,
            dim=BANDS,
            frame_rate_hz=SAMPLE_RATE_HZ / HOP,
        )
        # Periodic, as for a spectrum; numpy's own is the symmetric one.
        self._window = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
        self._bands = mel_bands()

    def prepare(self, waveform: Waveform) -> EncoderInput:
        """Resample to 16 kHz."""
        samples = resample(waveform, SAMPLE_RATE_HZ)
        if len(samples) < WINDOW:
            raise ClipError(
                f"too short: {len(samples)} samples at 16 kHz ({len(samples) / SAMPLE_RATE_HZ * 1000:.0f} ms),"
                f" logmel needs at least {WINDOW}"
            )
        return EncoderInput(samples, self.times_s(1 + (len(samples) - WINDOW) // HOP))

    def encode(self, batch: Sequence[EncoderInput]) -> list[NDArray[np.float32]]:
        """Compute the three layers of every clip."""
        return [self._encode_one(clip.values) for clip in batch]

    def _encode_one(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        # No padding at the edges: every frame lies wholly within the clip. (n,) -> (T, 400)
        frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP] * self._window
        power = np.abs(np.fft.rfft(frames, axis=1)) ** 2  # (T, 201)
        # Digital silence has no logarithm; the floor is far below any recorded noise.
        static = np.log(np.maximum(power @ self._bands, FLOOR)).astype(np.float32)
        slope = _slope(static)
        return np.stack([static, slope, _slope(slope)], axis=1)  # (T, 3, 64)

    def times_s(self, n_frames: int) -> NDArray[np.float64]:
        """Return the centres of the windows, in seconds."""
        return (np.arange(n_frames) * HOP + WINDOW / 2) / SAMPLE_RATE_HZ

    def provenance(self) -> dict[str, Any]:
        """Return the numpy version."""
        return {"device": "cpu", "numpy": np.__version__}


def mel_bands() -> NDArray[np.float64]:
    """Compute triangular filters on the HTK mel scale; shape (201, 64)."""
    low, high = 2595 * np.log10(1 + np.array([LOWEST_HZ, SAMPLE_RATE_HZ / 2]) / 700)
    edges_hz = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    bins_hz = np.linspace(0, SAMPLE_RATE_HZ / 2, WINDOW // 2 + 1)[:, None]
    rising = (bins_hz - edges_hz[:-2]) / np.diff(edges_hz)[:-1]
    falling = (edges_hz[2:] - bins_hz) / np.diff(edges_hz)[1:]
    return np.maximum(0.0, np.minimum(rising, falling))


def _slope(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    padded = np.pad(frames, ((2, 2), (0, 0)), mode="edge")
    slope = (padded[3:-1] - padded[1:-3] + 2 * (padded[4:] - padded[:-4])) / 10
    return slope.astype(np.float32)
