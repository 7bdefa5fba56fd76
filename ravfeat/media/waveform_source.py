"""Voices as a source: every clip is one piece, its waveform, or a view of it."""

from collections.abc import Generator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ravfeat.manifest import Clip
from ravfeat.media.augment import CLEAN, View
from ravfeat.media.sound import Waveform, read_waveform
from ravfeat.media.source import Recording

__all__ = ["WaveformSource"]


@dataclass(frozen=True)
class WaveformSource:
    """Decodes the sound of any media file; see `ravfeat.media.source.Source`.

    Attributes
    ----------
    ahead : int
    view : str
        What the encoder hears of a clip, as a `StoreRecipe` names it.

    Raises
    ------
    UsageError
        For a view there is not.
    """

    ahead: int = 24
    view: str = CLEAN

    def __post_init__(self) -> None:
        View.parse(self.view)

    def read(self, clip: Clip, root: Path) -> Generator[Waveform, None, Recording]:
        """Decode one clip to mono at its own rate, and give the view of it.

        The recording is described as it was decoded: a view of a clip is the same recording, and no fold may
        have the one on this side and the other on that.
        """
        waveform = read_waveform(root / clip.path)
        view = View.parse(self.view)
        rate = waveform.sample_rate_hz
        yield waveform if view is None else Waveform(view.of(waveform.samples, rate, clip.performance_id), rate)
        return Recording(len(waveform.samples), float(waveform.sample_rate_hz), waveform.sha256)

    def provenance(self) -> dict[str, Any]:
        """Versions of what decodes and resamples."""
        return {name: version(name) for name in ("soundfile", "soxr", "av")}
