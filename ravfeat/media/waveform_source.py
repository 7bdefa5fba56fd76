"""Read the waveform of each clip for an extraction, and make augmented views of it."""

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ravfeat.manifest import Clip
from ravfeat.media.active import active_part
from ravfeat.media.augment import View
from ravfeat.media.conditions import Condition
from ravfeat.media.parts import PartReader
from ravfeat.media.sound import Waveform
from ravfeat.media.source import Recording
from ravfeat.resources import processors

__all__ = ["WaveformSource", "viewed"]


@dataclass(frozen=True)
class WaveformSource:
    """Source of waveforms from media files; see `ravfeat.media.source.Source`.

    Parameters
    ----------
    condition : Condition, optional
        What is done to every recording before anything else looks at it.
    """

    condition: Condition | None = None
    _parts: PartReader = field(default_factory=PartReader, repr=False, compare=False)

    @property
    def readers(self) -> int:
        """Half of the processors, from two to eight: the encoder may need the others."""
        # No more than eight, since each may hold a recording of an hour before it is resampled.
        return min(8, max(2, processors() // 2))

    def read(self, clip: Clip, root: Path) -> Generator[Waveform, None, Recording]:
        """Decode one clip to mono at its own rate.

        All that is said of the recording is that of the clean clip, whichever views are made of it: a view is the same
        recording, and the leak check must not let a fold train on one view and test on another. Under a condition
        too, but for where the speech lies: that is looked for in what is heard.
        """
        waveform = self._parts.read(root / clip.path, clip.start_s, clip.end_s)
        heard = waveform if self.condition is None else _changed(waveform, self.condition, clip.performance_id)
        yield heard
        part = active_part(heard.samples, heard.sample_rate_hz)
        return Recording(len(waveform.samples), float(waveform.sample_rate_hz), waveform.sha256, part.columns())

    def provenance(self) -> dict[str, Any]:
        """Return the versions of the libraries that decode and resample."""
        return {name: version(name) for name in ("soundfile", "soxr", "av")}


def _changed(waveform: Waveform, condition: Condition, key: str) -> Waveform:
    return replace(waveform, samples=condition.of_sound(waveform.samples, waveform.sample_rate_hz, key))


def viewed(waveform: Waveform, view: View, key: str) -> Waveform:
    """Make a view of a waveform.

    Parameters
    ----------
    waveform : Waveform
    view : View
    key : str
        The clip's ``performance_id``; see `ravfeat.media.augment.augment`.

    Raises
    ------
    ClipError
        Where the view cannot be made of it.
    """
    return replace(waveform, samples=view.of(waveform.samples, waveform.sample_rate_hz, key))
