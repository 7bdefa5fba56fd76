"""Batches of one shard: pieces wait until their batch is full, are encoded, and handed to the shard.

What shares a batch depends on the shard's planned clips and on what they hold, never on what is
already done or on what else this run encodes, so that a resumed cache equals an uninterrupted one.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.cache.format import StoreRecipe
from ravfeat.encoders.base import Encoder, Prepared, Underway, begin
from ravfeat.errors import ClipError
from ravfeat.extract.postprocess import Behind, EncodedBatch, StoredBatch, Waiting, store_batch, why
from ravfeat.extract.reduce import ClipStore
from ravfeat.extract.shard_builder import ShardBuilder
from ravfeat.manifest import Clip
from ravfeat.media.source import Recording

__all__ = ["OpenShard", "PieceBatches", "PlannedBatches"]


class OpenShard(ABC):
    """A shard whose clips are arriving.

    Parameters
    ----------
    builder : ShardBuilder
    encoder : Encoder
    recipe : StoreRecipe

    Attributes
    ----------
    busy_s : float
        Seconds that the encoder was at it.
    """

    def __init__(self, builder: ShardBuilder, encoder: Encoder[Any], recipe: StoreRecipe) -> None:
        self.builder = builder
        self._encoder = encoder
        self._recipe = recipe
        self.busy_s = 0.0
        self._to_come = len(builder.clips)

    @property
    def complete(self) -> bool:
        """Whether every clip has come to its end, and was stored or failed.

        A clip may fail before its last piece has come, so its failure is not its end.
        """
        return not self._to_come and self.builder.complete

    def take(self, clip: Clip, prepared: Prepared) -> None:
        """Take the next piece of a clip; of one that has failed nothing more is encoded."""
        if not self.builder.has_failed(clip):
            self._take(clip, prepared)

    def end(self, clip: Clip, recording: Recording | None, reason: str) -> None:
        """Take note that a clip has no more pieces, or failed for a reason."""
        self._to_come -= 1
        if reason or recording is None:
            self.builder.fail(clip, "decode", reason or f"{clip.path}: could not be read to its end")
        self._end(clip, recording)

    @abstractmethod
    def _take(self, clip: Clip, prepared: Prepared) -> None: ...

    @abstractmethod
    def _end(self, clip: Clip, recording: Recording | None) -> None: ...

    def _begin(self, pieces: Sequence[Waiting]) -> list[tuple[Sequence[Waiting], Underway]]:
        """Begin to encode pieces together; what is too much together is encoded one by one."""
        full = [(clip, prepared) for clip, prepared in pieces if prepared.n_frames]
        if not full:
            return []
        try:
            return [(full, begin(self._encoder, [prepared for _, prepared in full]))]
        except (MemoryError, ClipError):
            return [([one], underway) for one in full if (underway := self._begin_alone(*one)) is not None]

    def _begin_alone(self, clip: Clip, prepared: Prepared) -> Underway | None:
        # One by one gives the same features; what is too much even alone has failed.
        try:
            return begin(self._encoder, [prepared])
        except MemoryError as error:
            reason = f"{clip.path}: {error}; split the clip or use a machine with more memory"
            self.builder.fail(clip, "encode", reason)
        except ClipError as error:
            self.builder.fail(clip, "encode", f"{clip.path}: {error}")
        return None


class PlannedBatches(OpenShard):
    """Whole clips share a batch that was planned from their lengths.

    Parameters
    ----------
    builder, encoder, recipe
        See `OpenShard`.
    batches : sequence of sequence of str
        Clip ids; every clip of the shard once.
    behind : Behind
        Who stores what was encoded.
    """

    def __init__(
        self,
        builder: ShardBuilder,
        encoder: Encoder[Any],
        recipe: StoreRecipe,
        batches: Sequence[Sequence[str]],
        behind: Behind,
    ) -> None:
        super().__init__(builder, encoder, recipe)
        self._behind = behind
        self._batch_of = {clip_id: batch for batch in batches for clip_id in batch}
        self._waiting: dict[str, list[Waiting]] = {}
        self._ended: dict[str, tuple[Clip, Recording | None]] = {}

    def _take(self, clip: Clip, prepared: Prepared) -> None:
        self._waiting.setdefault(clip.clip_id, []).append((clip, prepared))

    def _end(self, clip: Clip, recording: Recording | None) -> None:
        # The batch is encoded where this was the last clip it waited for.
        if self.builder.has_failed(clip):
            self._waiting.pop(clip.clip_id, None)
        self._ended[clip.clip_id] = clip, recording
        batch = self._batch_of[clip.clip_id]
        if not self._ended.keys() >= set(batch):
            return
        pieces = [piece for clip_id in batch for piece in self._waiting.pop(clip_id, ())]
        underway = self._begin(pieces)
        ended = [self._ended[clip_id] for clip_id in batch]
        whole = [own for own, read in ended if read is not None and not self.builder.has_failed(own)]
        empty = [(own, prepared) for own, prepared in pieces if not prepared.n_frames]
        encoded = EncodedBatch(whole, empty, underway)
        self._behind.submit(partial(store_batch, encoded, self._recipe, self._encoder.spec.stream), self._settle)

    def _settle(self, batch: StoredBatch) -> None:
        self.busy_s += batch.busy_s
        for clip_id, stored in batch.stored.items():
            clip, recording = self._ended[clip_id]
            if recording is not None:
                self.builder.add(clip, recording, stored)
        for clip_id, reason in batch.reasons.items():
            self.builder.fail(self._ended[clip_id][0], "encode", reason)


class PieceBatches(OpenShard):
    """Pieces of any clips of the shard share a batch.

    Parameters
    ----------
    builder, encoder, recipe
        See `OpenShard`.
    batch_frames : int
        A batch is encoded when it holds so many frames or more.
    """

    def __init__(self, builder: ShardBuilder, encoder: Encoder[Any], recipe: StoreRecipe, batch_frames: int) -> None:
        super().__init__(builder, encoder, recipe)
        self._batch_frames = batch_frames
        self._stores: dict[str, ClipStore] = {}
        self._waiting: list[Waiting] = []
        self._ended: dict[str, tuple[Clip, Recording]] = {}

    def _take(self, clip: Clip, prepared: Prepared) -> None:
        self._waiting.append((clip, prepared))
        if sum(piece.n_frames for _, piece in self._waiting) >= self._batch_frames:
            self._flush()

    def _end(self, clip: Clip, recording: Recording | None) -> None:
        # A clip is finished where none of its pieces waits; what is left is encoded after the shard's last clip.
        if recording is None or self.builder.has_failed(clip):
            self._stores.pop(clip.clip_id, None)
            self._waiting = [waiting for waiting in self._waiting if waiting[0].clip_id != clip.clip_id]
        else:
            self._ended[clip.clip_id] = clip, recording
        if not self._to_come:
            self._flush()
        else:
            self._finish_ended()

    def _flush(self) -> None:
        batch, self._waiting = self._waiting, []
        self._encode(batch)
        self._finish_ended()

    def _finish_ended(self) -> None:
        waiting = {clip.clip_id for clip, _ in self._waiting}
        for clip_id in [clip_id for clip_id in self._ended if clip_id not in waiting]:
            self._finish(*self._ended.pop(clip_id))

    def _encode(self, batch: Sequence[Waiting]) -> None:
        # Stored here and now: what failed decides what the next batch takes.
        for clip, prepared in batch:
            if not prepared.n_frames:
                self._store(clip, prepared, None)
        for pieces, underway in self._begin(batch):
            for (clip, prepared), states in zip(pieces, underway.states(), strict=True):
                self._store(clip, prepared, states)
            self.busy_s += underway.busy_s

    def _store(self, clip: Clip, prepared: Prepared, states: NDArray[np.float32] | None) -> None:
        if self.builder.has_failed(clip):
            self._stores.pop(clip.clip_id, None)
            return
        if clip.clip_id not in self._stores:
            self._stores[clip.clip_id] = self._new_store()
        try:
            self._stores[clip.clip_id].add(prepared, states)
        except (ClipError, MemoryError) as error:
            self.builder.fail(clip, "encode", why(clip, error))

    def _finish(self, clip: Clip, recording: Recording) -> None:
        store = self._stores.pop(clip.clip_id, None) or self._new_store()
        if self.builder.has_failed(clip):
            return
        try:
            self.builder.add(clip, recording, store.finish())
        except (ClipError, MemoryError) as error:
            self.builder.fail(clip, "encode", why(clip, error))

    def _new_store(self) -> ClipStore:
        return ClipStore(self._recipe, self._encoder.spec.stream)
