"""Voices as a source: every clip is one piece, its waveform.

Offers
------
WaveformSource.
"""

from collections.abc import Generator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ravfeat.manifest import Clip
from ravfeat.media import Waveform, read_waveform
from ravfeat.sources import Recording

__all__ = ["WaveformSource"]


@dataclass(frozen=True)
class WaveformSource:
    """Decodes the sound of any media file; see `ravfeat.sources.Source`."""

    ahead: int = 24

    def read(self, clip: Clip, root: Path) -> Generator[Waveform, None, Recording]:
        """Decode one clip to mono at its own rate."""
        waveform = read_waveform(root / clip.path)
        yield waveform
        return Recording(len(waveform.samples), float(waveform.sample_rate_hz), waveform.sha256)

    def provenance(self) -> dict[str, Any]:
        """Versions of what decodes and resamples."""
        return {name: version(name) for name in ("soundfile", "soxr", "av")}
