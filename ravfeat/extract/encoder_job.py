"""The work of one encoder in a run: its cache, the shards to write, and the shards being filled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ravfeat.cache.format import ShardContent, StoreRecipe
from ravfeat.cache.index import IndexedShard
from ravfeat.cache.writer import CacheFolder
from ravfeat.encoders.base import Encoder
from ravfeat.extract.batch_plan import BatchLimits, plan_shards_batches
from ravfeat.extract.batches import BatchQueue, PieceBatches, PlannedBatches
from ravfeat.extract.decode import ClipEnd, EncoderIndex, Event
from ravfeat.extract.journal import RestoredShard
from ravfeat.extract.open_shards import OpenShards
from ravfeat.extract.postprocess import PostprocessPool
from ravfeat.extract.shard_builder import ShardBuilder
from ravfeat.manifest import Clip

__all__ = ["EncoderJob", "common_order"]


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
    provenance : mapping
    assigned : sequence of int
        Shards that this process is responsible for.
    pending : sequence of int
        Assigned shards that are still to be written.
    limits : BatchLimits
    restored : mapping of int to RestoredShard
        What an interrupted run has encoded of pending shards.
    written : dict of int to IndexedShard
        Shards that this run has written so far.
    frames, fallback, several : int
        Encoder frames in the written shards; those without a face; those with several faces.
    """

    index: EncoderIndex
    encoder: Encoder[Any]
    recipe: StoreRecipe
    folder: CacheFolder
    provenance: Mapping[str, Any]
    assigned: Sequence[int]
    pending: Sequence[int]
    limits: BatchLimits
    restored: Mapping[int, RestoredShard] = field(default_factory=dict)
    written: dict[int, IndexedShard] = field(default_factory=dict)
    frames: int = 0
    fallback: int = 0
    several: int = 0

    def __post_init__(self) -> None:
        self._plan = self._batches_to_read()
        clips = [clip for batches in self._plan for batch in batches for clip in batch]
        self._wanted = {clip.clip_id for clip in clips}
        self._shards = OpenShards(
            self.folder.planned, self.pending, self.encoder.spec, self.recipe, self.restored, clips
        )
        self._queue: BatchQueue | None = None

    @property
    def busy_s(self) -> float:
        """Seconds that the encoder computed."""
        return self._queue.busy_s if self._queue is not None else 0.0

    @property
    def n_failed(self) -> int:
        """Number of clips that have failed in this run so far."""
        return self._shards.n_failed

    def wants(self, clip: Clip) -> bool:
        """Whether a clip is still to be read for this encoder."""
        return clip.clip_id in self._wanted

    def order(self) -> list[list[Clip]]:
        """Return the clips to read of every shard, in the order in which they fill its batches."""
        return [[clip for batch in batches for clip in batch] for batches in self._plan]

    def take(self, event: Event, postprocess: PostprocessPool) -> None:
        """Receive a piece or the end of a clip that `wants` accepts; encode each batch that it completes."""
        if self._queue is None:
            self._queue = self._new_queue(postprocess)
        if isinstance(event, ClipEnd):
            self._queue.end(event.clip, event.recording, event.reasons.get(self.index, ""))
        elif self.index in event.prepared:
            self._queue.take(event.clip, event.prepared[self.index])

    def completed(self) -> list[ShardBuilder]:
        """Remove and return the shards whose clips have all been stored or have failed."""
        return self._shards.completed()

    def next_parts(self) -> list[tuple[int, ShardContent]]:
        """Assemble a numbered part of every unfinished shard that has clips which no part holds yet."""
        about = self.folder.about, self.folder.identity, self.provenance
        parts = [builder.next_part(*about) for builder in self._shards.builders]
        return [(part[0], self.with_origin(part[1])) for part in parts if part is not None]

    def with_origin(self, content: ShardContent) -> ShardContent:
        """Add to a shard what its encoder says of itself beside the identity."""
        spec = self.encoder.spec
        return replace(content, source=spec.source, feature_names=spec.feature_names)

    def _batches_to_read(self) -> list[list[list[Clip]]]:
        """Plan batches, and leave out those whose clips are all in finished shards or restored."""
        planned = self.folder.planned
        # Batches that cross shards are planned over all shards, also finished ones: the same clips share a batch
        # whatever is already there.
        numbers = planned.numbers if self.limits.across_shards else self.pending
        plan = plan_shards_batches([planned.clips_of(n) for n in numbers], self.encoder.batching, self.limits)
        missing = {
            clip.clip_id
            for number in self.pending
            for clip in planned.clips_of(number)
            if number not in self.restored or clip.clip_id not in self.restored[number].clips
        }
        to_read = [[b for b in batches if any(clip.clip_id in missing for clip in b)] for batches in plan]
        return [batches for batches in to_read if batches]

    def _new_queue(self, postprocess: PostprocessPool) -> BatchQueue:
        if self.encoder.batching == "pieces":
            return PieceBatches(self.encoder, self.recipe, self._shards, self.limits.frames)
        batches = [batch for batches in self._plan for batch in batches]
        return PlannedBatches(self.encoder, self.recipe, self._shards, batches, postprocess)


def common_order(jobs: Sequence[EncoderJob]) -> list[Clip]:
    """Return every clip that some job wants, once, in an order that keeps few shards open.

    Batches do not depend on this order. The first job's clips come in the order of its batches, and clips that only
    other jobs want are inserted by id.
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
    return [clips_by_id[clip_id] for clip_id in sorted(clips_by_id, key=lambda clip_id: place[clip_id])]
