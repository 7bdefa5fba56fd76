"""Request and result of an extraction: `Extraction`, `ExtractResult`."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ravfeat.cache.format import StoreRecipe
from ravfeat.encoders.base import Encoder
from ravfeat.errors import UsageError
from ravfeat.extract.decode import EncoderIndex, Event, read_clip
from ravfeat.extract.encode import BATCH_FRAMES
from ravfeat.manifest import Clip, Manifest
from ravfeat.media.augment import View
from ravfeat.media.conditions import condition_of
from ravfeat.media.source import Source
from ravfeat.media.waveform_source import WaveformSource
from ravfeat.short_repr import short_repr

__all__ = ["ExtractResult", "Extraction", "read_planned_clip"]


@short_repr
@dataclass(frozen=True)
class Extraction:
    """One encoder to run over a manifest.

    Attributes
    ----------
    manifest : Manifest
    root : Path
        Folder that the manifest's paths are relative to.
    encoder : Encoder
    recipe : StoreRecipe
        Also names the view of the waveform that is encoded.
    source : Source
        Reads clips, in pieces that the encoder can prepare.
    shard_index, num_shards : int
        This process writes the part ``shard_index`` of ``num_shards`` equal parts of the shards; any
        number of processes can fill one cache.
    batch_clips : int, optional
        Upper bound of the clips in a batch; the default depends on the device, see
        `ravfeat.extract.batch_plan.BatchLimits`.
    batch_s : float, optional
        Upper bound of the seconds in a batch, padding included; likewise.
    batch_frames : int
        Frames (pictures) in a batch, for encoders that take pieces.
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
    batch_frames: int = BATCH_FRAMES

    def __post_init__(self) -> None:
        if not 0 <= self.shard_index < self.num_shards:
            raise UsageError(
                f"--shard-index {self.shard_index} with --num-shards {self.num_shards}: the index counts from 0 to"
                f" {self.num_shards - 1}"
            )
        # An unknown view or condition is refused now, not in a thread at the first clip.
        condition, _ = condition_of(self.recipe.view)
        if condition != getattr(self.source, "condition", None):
            raise UsageError(
                f"view '{self.recipe.view}' is of recordings that are changed as they are read: 'ravfeat stress' makes"
                " it; extract a view of clean recordings"
            )
        if self.view is not None and self.encoder.spec.stream != "audio":
            raise UsageError(
                f"view '{self.recipe.view}' is a view of sound, and {self.encoder.spec.name} looks at faces; views go"
                " with voices only"
            )

    @property
    def view(self) -> View | None:
        """The view of every clip that is encoded; None where it is the clip as its source gives it."""
        return View.parse(condition_of(self.recipe.view)[1])

    def assigned(self, numbers: Sequence[int]) -> Sequence[int]:
        """Return the shards that this process is responsible for."""
        # Neighbours, not every n-th shard: batches may cross from a shard to the next, and a batch that two processes
        # need clips of is encoded by both.
        begin, end = (len(numbers) * part // self.num_shards for part in (self.shard_index, self.shard_index + 1))
        return numbers[begin:end]


@short_repr
@dataclass(frozen=True)
class ExtractResult:
    """Counts and failures of an extraction.

    Attributes
    ----------
    path : Path
        The cache's folder.
    written, present : int
        Shards written by this run, and shards that existed before.
    encoded : int
        Clips encoded by this run.
    restored : int
        Clips that an interrupted run had encoded, in shards written by this run.
    failed : dict of str to str
        Clips of this process's shards that could not be stored, with the reason.
    absent : int
        Clips of the cache that are not in this run's manifest; they stay as they are.
    frames, fallback : int
        Frames encoded by this run, and those of them without a face, for which the last box or the last
        landmarks are used.
    several : int
        Frames with several faces, of which one is tracked.
    busy_s : float
        Seconds that the encoder computed, on a GPU by the device's own clock.
    address : str
        Of the cache, where it is at an object store; ``path`` is a temporary folder then.
    """

    path: Path
    written: int
    present: int
    encoded: int
    failed: dict[str, str]
    restored: int = 0
    absent: int = 0
    frames: int = 0
    fallback: int = 0
    several: int = 0
    busy_s: float = 0.0
    address: str = ""


def read_planned_clip(
    requests: Sequence[Extraction],
    available: Mapping[str, Clip],
    encoders: Mapping[EncoderIndex, Encoder[Any]],
    clip: Clip,
) -> Generator[Event, None, None]:
    """Read a planned clip for some encoders, from where the given data have it.

    Parameters
    ----------
    requests : sequence of Extraction
        By encoder.
    available : mapping of str to Clip
        Clips in the given data, by ``clip_id``.
    encoders : mapping of int to Encoder
    clip : Clip
        As in the cache's manifest.
    """
    # The cache's manifest may hold an older path: data folders are moved, or a table names other copies.
    available_clip, request = available.get(clip.clip_id), requests[0]
    views = {index: view for index in encoders if (view := requests[index].view) is not None}
    return read_clip(available_clip or clip, request.root if available_clip else None, request.source, encoders, views)
