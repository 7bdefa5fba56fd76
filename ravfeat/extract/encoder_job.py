"""The work of one encoder in a run: its cache, the shards to write, and the shards being filled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ravfeat.cache.format import StoreRecipe
from ravfeat.cache.index import IndexedShard
from ravfeat.cache.locks import WorkLock
from ravfeat.cache.writer import CacheFolder
from ravfeat.encoders.base import Encoder, plan_batches
from ravfeat.extract.batches import OpenShard, PieceBatches, PlannedBatches
from ravfeat.extract.decode import ClipEnd, EncoderIndex, Event
from ravfeat.extract.postprocess import PostprocessPool
from ravfeat.extract.shard_builder import ShardBuilder
from ravfeat.manifest import Clip

__all__ = ["BatchLimits", "EncoderJob", "common_order"]


@dataclass(frozen=True)
class BatchLimits:
    """Upper bounds of a batch.

    Attributes
    ----------
    clips : int
        Clips, for encoders of whole clips.
    seconds : float
        Total length of a batch, padding included.
    frames : int
        Frames (pictures), for encoders of pieces.
    """

    clips: int = 8
    seconds: float = 32.0
    frames: int = 64

    @classmethod
    def of(cls, device: str, *, clips: int | None, seconds: float | None, frames: int) -> "BatchLimits":
        """Use the given limits, and defaults of the device where they are None.

        One clip is enough work for a processor; a GPU needs many frames at once.
        """
        usual = cls() if not device.startswith("cuda") else cls(clips=32, seconds=96.0)
        return cls(clips or usual.clips, seconds or usual.seconds, frames)


@dataclass
class EncoderJob:
    """One encoder of a run and its state.

    Attributes
    ----------
    index : int
        Position among the run's encoders.
    encoder : Encoder
    recipe : StoreRecipe
    folder : CacheFolder
    lock : WorkLock
    provenance : mapping
    assigned : sequence of int
        Shards that this process is responsible for.
    pending : sequence of int
        Assigned shards that are still to be written.
    limits : BatchLimits
    written : dict of int to IndexedShard
        Shards that this run has written so far.
    frames, fallback, several : int
        Encoder frames in the written shards; those without a face; those with several faces.
    busy_s : float
        Seconds that the encoder computed.
    """

    index: EncoderIndex
    encoder: Encoder[Any]
    recipe: StoreRecipe
    folder: CacheFolder
    lock: WorkLock
    provenance: Mapping[str, Any]
    assigned: Sequence[int]
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

    @property
    def n_failed(self) -> int:
        """Number of clips that have failed in this run so far."""
        written = [row for shard in self.written.values() for row in shard.rows if row["status"] != "stored"]
        return len(written) + sum(shard.builder.n_failed for shard in self._open.values())

    @property
    def busy_so_far_s(self) -> float:
        """Seconds that the encoder computed, shards that are being filled included."""
        return self.busy_s + sum(shard.busy_s for shard in self._open.values())

    def wants(self, clip: Clip) -> bool:
        """Whether a clip belongs in a pending shard."""
        return clip.clip_id in self._shard_of

    def order(self) -> list[list[Clip]]:
        """Return the clips of every pending shard, in the order in which they fill its batches."""
        return [[clip for batch in plan for clip in batch] for plan in self._plans.values()]

    def take(self, event: Event, postprocess: PostprocessPool) -> None:
        """Receive a piece or the end of a clip that `wants` accepts; encode each batch that it completes."""
        number = self._shard_of[event.clip.clip_id]
        shard = self._open.get(number) or self._open_shard(number, postprocess)
        if isinstance(event, ClipEnd):
            shard.end(event.clip, event.recording, event.reasons.get(self.index, ""))
        elif self.index in event.prepared:
            shard.take(event.clip, event.prepared[self.index])

    def completed(self) -> list[ShardBuilder]:
        """Remove and return the shards whose clips have all been stored or have failed."""
        complete = [self._open.pop(number) for number, shard in list(self._open.items()) if shard.complete]
        self.busy_s += sum(shard.busy_s for shard in complete)
        return [shard.builder for shard in complete]

    def _open_shard(self, number: int, postprocess: PostprocessPool) -> OpenShard:
        builder = ShardBuilder(number, self.folder.planned.clips_of(number), self.encoder.spec, self.recipe)
        if self.encoder.batching == "pieces":
            self._open[number] = PieceBatches(builder, self.encoder, self.recipe, self.limits.frames)
        else:
            ids = [[clip.clip_id for clip in batch] for batch in self._plans[number]]
            self._open[number] = PlannedBatches(builder, self.encoder, self.recipe, ids, postprocess)
        return self._open[number]

    def _batches(self, clips: Sequence[Clip]) -> list[list[Clip]]:
        if self.encoder.batching == "pieces":
            return [list(clips)]
        durations = [clip.duration_s for clip in clips]
        limits = self.limits
        plan = plan_batches(durations, self.encoder.batching, max_clips=limits.clips, max_seconds=limits.seconds)
        return [[clips[position] for position in batch] for batch in plan]


def common_order(jobs: Sequence[EncoderJob]) -> list[Clip]:
    """Return every clip that some job wants, once, in an order that keeps few shards open.

    If an encoder takes pieces, clips are sorted by id: the order decides which pieces share a batch, so it must not
    depend on the other jobs. Planned batches do not depend on the order; then the first job's clips come in the
    order of its batches, and clips that only other jobs want are inserted by id.
    """
    place: dict[str, tuple[str, int]] = {}
    clips_by_id: dict[str, Clip] = {}
    for number, job in enumerate(jobs):
        for clips in job.order():
            first = min(clip.clip_id for clip in clips)
            for position, clip in enumerate(clips):
                clips_by_id.setdefault(clip.clip_id, clip)
                place.setdefault(clip.clip_id, (first, position) if number == 0 else (clip.clip_id, -1))
    if len(jobs) == 1:
        return list(clips_by_id.values())
    by_id = any(job.encoder.batching == "pieces" for job in jobs)
    ordered = sorted(clips_by_id) if by_id else sorted(clips_by_id, key=lambda clip_id: place[clip_id])
    return [clips_by_id[clip_id] for clip_id in ordered]
