"""One encoder's way through a run: its cache, its pending shards, the shards in the making."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ravfeat.cache.format import StoreRecipe
from ravfeat.cache.index import IndexedShard
from ravfeat.cache.locks import WorkLock
from ravfeat.cache.writer import CacheFolder
from ravfeat.encoders.base import Encoder, plan_batches
from ravfeat.extract.batches import OpenShard, PieceBatches, PlannedBatches
from ravfeat.extract.decode import ClipEnd, Event, Taker
from ravfeat.extract.postprocess import Behind
from ravfeat.extract.shard_builder import ShardBuilder
from ravfeat.manifest import Clip

__all__ = ["BatchLimits", "Lane", "common_order"]


@dataclass(frozen=True)
class BatchLimits:
    """How much is encoded together.

    Attributes
    ----------
    clips : int
        Clips at most, where clips share batches.
    seconds : float
        Of all clips of a batch at most, padding included.
    frames : int
        Frames (pictures), where pieces share batches.
    """

    clips: int = 8
    seconds: float = 32.0
    frames: int = 64

    @classmethod
    def of(cls, device: str, *, clips: int | None, seconds: float | None, frames: int) -> "BatchLimits":
        """Take what was asked for, and what suits the device where nothing was.

        A processor is busy with one clip; a GPU wants many frames at once.
        """
        usual = cls() if not device.startswith("cuda") else cls(clips=32, seconds=96.0)
        return cls(clips or usual.clips, seconds or usual.seconds, frames)


@dataclass
class Lane:
    """One encoder of a run.

    Attributes
    ----------
    taker : int
        Its number in this run.
    encoder : Encoder
    recipe : StoreRecipe
    folder : CacheFolder
    lock : WorkLock
    provenance : mapping
    mine : sequence of int
        Shards this process is responsible for.
    pending : sequence of int
        Those of them that are to be written.
    limits : BatchLimits
    written : dict of int to IndexedShard
        What this run has written so far.
    frames, fallback, several : int
        Frames of the encoder in it, those of them in which no face was found, and those in which several were.
    busy_s : float
        Seconds that the encoder was at it.
    """

    taker: Taker
    encoder: Encoder[Any]
    recipe: StoreRecipe
    folder: CacheFolder
    lock: WorkLock
    provenance: Mapping[str, Any]
    mine: Sequence[int]
    pending: Sequence[int]
    limits: BatchLimits
    written: dict[int, IndexedShard] = field(default_factory=dict)
    frames: int = 0
    fallback: int = 0
    several: int = 0
    busy_s: float = 0.0

    def __post_init__(self) -> None:
        self._plans = {number: self._batches(self.folder.planned.clips_of(number)) for number in self.pending}
        self._shard_of = {
            clip.clip_id: number for number in self.pending for clip in self.folder.planned.clips_of(number)
        }
        self._open: dict[int, OpenShard] = {}

    def wants(self, clip: Clip) -> bool:
        """Whether a clip belongs in a pending shard."""
        return clip.clip_id in self._shard_of

    def order(self) -> list[list[Clip]]:
        """Clips of every pending shard, in the order in which they fill its batches."""
        return [[clip for batch in plan for clip in batch] for plan in self._plans.values()]

    def take(self, event: Event, behind: Behind) -> None:
        """Take a piece or the end of a clip; what it completes is stored behind the encoder.

        Events of other clips than those of pending shards are not for this lane.
        """
        number = self._shard_of[event.clip.clip_id]
        shard = self._open.get(number) or self._open_shard(number, behind)
        if isinstance(event, ClipEnd):
            shard.end(event.clip, event.recording, event.reasons.get(self.taker, ""))
        elif self.taker in event.prepared:
            shard.take(event.clip, event.prepared[self.taker])

    def completed(self) -> list[ShardBuilder]:
        """Give the shards of which every clip was stored or failed, once."""
        complete = [self._open.pop(number) for number, shard in list(self._open.items()) if shard.complete]
        self.busy_s += sum(shard.busy_s for shard in complete)
        return [shard.builder for shard in complete]

    def _open_shard(self, number: int, behind: Behind) -> OpenShard:
        builder = ShardBuilder(number, self.folder.planned.clips_of(number), self.encoder.spec, self.recipe)
        if self.encoder.batching == "pieces":
            self._open[number] = PieceBatches(builder, self.encoder, self.recipe, self.limits.frames)
        else:
            ids = [[clip.clip_id for clip in batch] for batch in self._plans[number]]
            self._open[number] = PlannedBatches(builder, self.encoder, self.recipe, ids, behind)
        return self._open[number]

    def _batches(self, clips: Sequence[Clip]) -> list[list[Clip]]:
        if self.encoder.batching == "pieces":
            return [list(clips)]
        durations = [clip.duration_s for clip in clips]
        limits = self.limits
        plan = plan_batches(durations, self.encoder.batching, max_clips=limits.clips, max_seconds=limits.seconds)
        return [[clips[position] for position in batch] for batch in plan]


def common_order(lanes: Sequence[Lane]) -> list[Clip]:
    """Give every clip that a lane wants, once, in an order that keeps few shards open.

    Where pieces share batches, clips come in the order of their ids, so that what shares a batch does not
    depend on the other lanes. Planned batches do not depend on the order: the first lane's clips come as its
    batches want them, others where their ids put them.
    """
    place: dict[str, tuple[str, int]] = {}
    known: dict[str, Clip] = {}
    for number, lane in enumerate(lanes):
        for clips in lane.order():
            first = min(clip.clip_id for clip in clips)
            for position, clip in enumerate(clips):
                known.setdefault(clip.clip_id, clip)
                place.setdefault(clip.clip_id, (first, position) if number == 0 else (clip.clip_id, -1))
    if len(lanes) == 1:
        return list(known.values())
    by_id = any(lane.encoder.batching == "pieces" for lane in lanes)
    ordered = sorted(known) if by_id else sorted(known, key=lambda clip_id: place[clip_id])
    return [known[clip_id] for clip_id in ordered]
