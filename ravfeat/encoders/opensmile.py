"""openSMILE features: eGeMAPS and ComParE, as functionals (one frame per clip) or low-level descriptors (frames).

Conventions
-----------
One layer. ``egemaps`` is the 88 functionals of eGeMAPSv02 (Eyben et al. 2016, doi:10.1109/TAFFC.2015.2457417) and
``compare`` the 6373 of ComParE 2016 (Schuller et al. 2016, doi:10.21437/Interspeech.2016-129): one frame, at the middle
of the clip. ``egemaps-lld`` and ``compare-lld`` are the 25 and 65 contours that these are computed from, 100 frames a
second. All are computed by openSMILE itself (audEERING's package ``opensmile``), from 16-bit samples at 16 kHz.
"""

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import opensmile
from numpy.typing import NDArray

from ravfeat.encoders.base import Batching, EncoderInput, EncoderSpec
from ravfeat.errors import ClipError
from ravfeat.media.sound import RESAMPLING, Waveform, resample

__all__ = ["OpenSmileEncoder"]

SAMPLE_RATE_HZ = 16_000
SHORTEST = 960
"""Samples of openSMILE's longest window (60 ms): of less it gives NaN."""

HOP_S = 0.01

_SETS = {"egemaps": ("eGeMAPSv02", 0.02), "compare": ("ComParE_2016", 0.06)}
"""By the first part of the encoder's name: openSMILE's name of the set, and the window whose start is a frame's."""


class OpenSmileEncoder:
    """A feature set of openSMILE.

    Parameters
    ----------
    name : {"egemaps", "egemaps-lld", "compare", "compare-lld"}
    """

    batching: Batching = "fixed"

    def __init__(self, name: str) -> None:
        set_name, level = name.partition("-")[::2]
        title, self._window_s = _SETS[set_name]
        self._contours = level == "lld"
        kind = "LowLevelDescriptors" if self._contours else "Functionals"
        self._smile = opensmile.Smile(opensmile.FeatureSet[title], opensmile.FeatureLevel[kind])
        names = tuple(self._smile.feature_names)
        computed = f"opensmile {version('opensmile')}: {title} {kind}/1"
        self.spec = EncoderSpec(
            name=name,
            stream="audio",
            weights=_digest(Path(self._smile.config_path), Path(self._smile.default_config_root)),
            layer_convention=f"openSMILE {title} {kind}/1",
            preprocessing=(RESAMPLING, "16 kHz, 16 bits, clipped/1", computed),
            n_layers=1,
            dim=len(names),
            frame_rate_hz=1 / HOP_S if self._contours else 0.0,
            feature_names=names,
            dtype="float32",  # ComParE's reach 1e11
        )

    def prepare(self, waveform: Waveform) -> EncoderInput:
        """Compute the features; openSMILE works in many threads at once."""
        samples = resample(waveform, SAMPLE_RATE_HZ)
        if len(samples) < SHORTEST:
            raise ClipError(
                f"too short: {len(samples)} samples at 16 kHz ({len(samples) / SAMPLE_RATE_HZ * 1000:.0f} ms),"
                f" openSMILE needs at least {SHORTEST} (60 ms)"
            )
        # It casts to 16 bits without a look: what is beyond full scale would come out with the other sign.
        heard = np.clip(samples, -1.0, 32767 / 32768)
        values = np.asarray(self._smile(heard, SAMPLE_RATE_HZ)[0].T, np.float32)  # (1, D, T) -> (T, D)
        return EncoderInput(values[:, None], self._times_s(len(values), len(samples) / SAMPLE_RATE_HZ))

    def encode(self, batch: Sequence[EncoderInput]) -> list[NDArray[np.float32]]:
        """Return the prepared features as one layer."""
        return [piece.values for piece in batch]

    def _times_s(self, n_frames: int, duration_s: float) -> NDArray[np.float64]:
        if not self._contours:
            return np.array([duration_s / 2])
        return np.arange(n_frames, dtype=np.float64) * HOP_S + self._window_s / 2

    def provenance(self) -> dict[str, Any]:
        """Return the versions."""
        return {"device": "cpu", "numpy": np.__version__, "opensmile": version("opensmile")}


def _digest(config: Path, root: Path) -> str:
    """Hash the configuration of a feature set, and all that configurations share."""
    files = sorted({*config.parent.iterdir(), *(root / "shared").iterdir()})
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files if file.is_file()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
