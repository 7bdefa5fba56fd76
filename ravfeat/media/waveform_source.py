"""Read the waveform of each clip, or an augmented view of it, for an extraction."""

from collections.abc import Generator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ravfeat.manifest import Clip
from ravfeat.media.active import active_part
from ravfeat.media.augment import CLEAN, View
from ravfeat.media.sound import Waveform, read_waveform
from ravfeat.media.source import Recording
from ravfeat.resources import processors

__all__ = ["WaveformSource"]


@dataclass(frozen=True)
class WaveformSource:
    """Source of waveforms from media files; see `ravfeat.media.source.Source`.

    Attributes
    ----------
    view : str
        Name of the view, as in `ravfeat.cache.format.StoreRecipe`.

    Raises
    ------
    UsageError
        For an unknown view.
    """

    view: str = CLEAN

    def __post_init__(self) -> None:
        # An unknown view is refused now, not in a thread at the first clip.
        View.parse(self.view)

    @property
    def readers(self) -> int:
        """Half of the processors, from two to eight: the encoder may need the others."""
        # No more than eight, since each may hold a recording of an hour before it is resampled.
        return min(8, max(2, processors() // 2))

    def read(self, clip: Clip, root: Path) -> Generator[Waveform, None, Recording]:
        """Decode one clip to mono at its own rate, and apply the view.

        The digest is that of the unchanged recording: a view is the same recording, and the leak check must not
        let a fold train on one view and test on another.
        """
        waveform = read_waveform(root / clip.path)
        view = View.parse(self.view)
        rate = waveform.sample_rate_hz
        yield waveform if view is None else Waveform(view.of(waveform.samples, rate, clip.performance_id), rate)
        # Also the active part: it is given in shares of the clip, which those of a view are too.
        part = active_part(waveform.samples, rate)
        return Recording(len(waveform.samples), float(rate), waveform.sha256, part.columns())

    def provenance(self) -> dict[str, Any]:
        """Return the versions of the libraries that decode and resample."""
        return {name: version(name) for name in ("soundfile", "soxr", "av")}
