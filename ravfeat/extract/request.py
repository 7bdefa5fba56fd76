"""What is to be extracted, and what an extraction left behind."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ravfeat.cache.format import StoreRecipe
from ravfeat.encoders.base import Encoder
from ravfeat.errors import UsageError
from ravfeat.extract.decode import Event, Taker, read_clip
from ravfeat.manifest import Clip, Manifest
from ravfeat.media.augment import CLEAN
from ravfeat.media.source import Source
from ravfeat.media.waveform_source import WaveformSource

__all__ = ["ExtractResult", "Extraction", "read_for"]


@dataclass(frozen=True)
class Extraction:
    """What is to be extracted.

    Attributes
    ----------
    manifest : Manifest
    root : Path
        What the manifest's paths are relative to.
    encoder : Encoder
    recipe : StoreRecipe
    source : Source
        How clips are read; the pieces it gives are those the encoder prepares.
    shard_index, num_shards : int
        This process writes the shards whose number leaves ``shard_index`` when divided by
        ``num_shards``; any number of processes fill one cache.
    batch_clips : int, optional
        Clips that are encoded together at most; what suits the device by default, see
        `ravfeat.extract.encoder_job.BatchLimits`.
    batch_s : float, optional
        Seconds that are encoded together at most, padding included; likewise.
    batch_frames : int
        Frames (pictures) that are encoded together, where an encoder takes pieces of any clips.
    """

    manifest: Manifest
    root: Path
    encoder: Encoder[Any]
    recipe: StoreRecipe = field(default_factory=StoreRecipe)
    source: Source[Any] = field(default_factory=WaveformSource)
    shard_index: int = 0
    num_shards: int = 1
    batch_clips: int | None = None
    batch_s: float | None = None
    batch_frames: int = 64

    def __post_init__(self) -> None:
        if not 0 <= self.shard_index < self.num_shards:
            raise UsageError(
                f"--shard-index {self.shard_index} with --num-shards {self.num_shards}: the index counts from 0 to"
                f" {self.num_shards - 1}"
            )
        given = getattr(self.source, "view", CLEAN)  # only voices have views
        if given != self.recipe.view:
            raise UsageError(
                f"the recipe stores the view '{self.recipe.view}' and the source gives '{given}'; they must be one"
            )


@dataclass(frozen=True)
class ExtractResult:
    """What an extraction left behind.

    Attributes
    ----------
    path : Path
        The cache's folder.
    written, kept : int
        Shards written by this run, and shards that were there.
    encoded : int
        Clips encoded by this run.
    failed : dict of str to str
        Clips of this process's shards that could not be stored, with the reason.
    absent : int
        Clips that belong in the cache and are not in the manifest given now; they stay as they are.
    frames, fallback : int
        Frames encoded by this run, and those of them in which no face was found, so that the last box or
        the last landmarks stand in.
    several : int
        Frames with several faces, of which one is followed.
    busy_s : float
        Seconds that the encoder was at it: on a GPU by the device's own clock.
    """

    path: Path
    written: int
    kept: int
    encoded: int
    failed: dict[str, str]
    absent: int = 0
    frames: int = 0
    fallback: int = 0
    several: int = 0
    busy_s: float = 0.0


def read_for(
    what: Extraction, here: Mapping[str, Clip], encoders: Mapping[Taker, Encoder[Any]], clip: Clip
) -> Generator[Event, None, None]:
    """Read a clip of a cache for some encoders, wherever it lies now.

    Parameters
    ----------
    what : Extraction
    here : mapping of str to Clip
        The clips at hand, by ``clip_id``.
    encoders : mapping of int to Encoder
    clip : Clip
        As the cache knows it.
    """
    # The cache's manifest may remember another path; what counts is where the clip lies now.
    given = here.get(clip.clip_id)
    return read_clip(given or clip, what.root if given else None, what.source, encoders)
