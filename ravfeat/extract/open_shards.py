"""The shards of a cache that are being filled: which clips they wait for, and which of them are complete."""

from collections.abc import Iterable, Mapping, Sequence

from ravfeat.cache.format import StoreRecipe
from ravfeat.cache.manifest import PlannedManifest
from ravfeat.encoders.base import EncoderSpec
from ravfeat.extract.journal import RestoredShard
from ravfeat.extract.reduce import StoredClip
from ravfeat.extract.shard_builder import ShardBuilder
from ravfeat.manifest import Clip
from ravfeat.media.source import Recording

__all__ = ["OpenShards"]


class OpenShards:
    """Collect the clips of several shards.

    Parameters
    ----------
    planned : PlannedManifest
    pending : sequence of int
        Shards to fill. Clips of other shards are accepted and dropped: they are only encoded because they share a
        batch with a clip of a pending shard.
    spec : EncoderSpec
    recipe : StoreRecipe
    restored : mapping of int to RestoredShard
        What an interrupted run has encoded, by shard.
    to_read : iterable of Clip
        The clips that are still to be read.
    """

    def __init__(
        self,
        planned: PlannedManifest,
        pending: Sequence[int],
        spec: EncoderSpec,
        recipe: StoreRecipe,
        restored: Mapping[int, RestoredShard],
        to_read: Iterable[Clip],
    ) -> None:
        self._planned, self._spec, self._recipe = planned, spec, recipe
        self._pending = set(pending)
        self._unread: dict[int, int] = dict.fromkeys(pending, 0)
        for clip in to_read:
            if (number := planned.shards[clip.clip_id]) in self._pending:
                self._unread[number] += 1
        self._failed: set[str] = set()
        self._builders: dict[int, ShardBuilder] = {}
        for number, shard in restored.items():
            self._builder(number).restore(shard.clips, shard.n_parts)

    @property
    def builders(self) -> list[ShardBuilder]:
        """The shards that have begun to fill and are not complete."""
        return list(self._builders.values())

    @property
    def n_failed(self) -> int:
        """Number of clips that have failed."""
        return len(self._failed)

    def add(self, clip: Clip, recording: Recording, stored: StoredClip) -> None:
        """Add an encoded clip to its shard."""
        number = self._planned.shards[clip.clip_id]
        if number in self._pending:
            self._builder(number).add(clip, recording, stored)

    def fail(self, clip: Clip, stage: str, reason: str) -> None:
        """Record why a clip cannot be stored; the first reason counts."""
        self._failed.add(clip.clip_id)
        number = self._planned.shards[clip.clip_id]
        if number in self._pending:
            self._builder(number).fail(clip, stage, reason)

    def has_failed(self, clip: Clip) -> bool:
        """Whether a clip cannot be stored."""
        return clip.clip_id in self._failed

    def ended(self, clip: Clip) -> None:
        """Record that no more pieces of a clip follow."""
        number = self._planned.shards[clip.clip_id]
        if number in self._pending:
            self._unread[number] -= 1

    def completed(self) -> list[ShardBuilder]:
        """Remove and return the shards that are complete.

        All clips must have ended, and each be stored or failed. Both are checked because a clip may fail before its
        last piece arrives; those pieces must be received before the shard is closed.
        """
        complete = [n for n, builder in self._builders.items() if not self._unread[n] and builder.complete]
        # A batch that is still in post-processing may hold clips that were restored; they are not needed any more.
        self._pending.difference_update(complete)
        return [self._builders.pop(number) for number in complete]

    def _builder(self, number: int) -> ShardBuilder:
        if number not in self._builders:
            self._builders[number] = ShardBuilder(number, self._planned.clips_of(number), self._spec, self._recipe)
        return self._builders[number]
