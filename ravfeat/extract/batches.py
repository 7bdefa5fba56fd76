"""Batches of one shard: queue pieces until a batch is full, encode it, pass the states to the shard.

The composition of a batch depends only on the shard's planned clips and their contents, never on which shards
are already written or which other encoders run: rounding inside a batch depends on its members, so this is what
makes a resumed cache equal to an uninterrupted one, bit for bit.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.cache.format import StoreRecipe
from ravfeat.encoders.base import Encoder, EncoderInput, EncodingBatch, start_encoding
from ravfeat.errors import ClipError
from ravfeat.extract.postprocess import (
    EncodedBatch,
    PostprocessPool,
    QueuedPiece,
    StoredBatch,
    failure_reason,
    store_batch,
)
from ravfeat.extract.reduce import ClipReducer
from ravfeat.extract.shard_builder import ShardBuilder
from ravfeat.manifest import Clip
from ravfeat.media.source import Recording

__all__ = ["OpenShard", "PieceBatches", "PlannedBatches"]


class OpenShard(ABC):
    """A shard that is being filled.

    Parameters
    ----------
    builder : ShardBuilder
    encoder : Encoder
    recipe : StoreRecipe

    Attributes
    ----------
    busy_s : float
        Seconds that the encoder spent on it.
    """

    def __init__(self, builder: ShardBuilder, encoder: Encoder[Any], recipe: StoreRecipe) -> None:
        self.builder = builder
        self._encoder = encoder
        self._recipe = recipe
        self.busy_s = 0.0
        self._n_unfinished = len(builder.clips)

    @property
    def complete(self) -> bool:
        """Whether the end of every clip was reported, and every clip was stored or has failed.

        Both are checked because a clip may fail before its last piece arrives; those pieces must be
        received before the shard is closed.
        """
        return not self._n_unfinished and self.builder.complete

    def take(self, clip: Clip, prepared: EncoderInput) -> None:
        """Receive the next piece of a clip; pieces of a clip that has failed are dropped."""
        if not self.builder.has_failed(clip):
            self._take(clip, prepared)

    def end(self, clip: Clip, recording: Recording | None, reason: str) -> None:
        """Receive the end of a clip: no more pieces follow, or it failed with ``reason``."""
        self._n_unfinished -= 1
        if reason or recording is None:
            self.builder.fail(clip, "decode", reason or f"{clip.path}: could not be read to its end")
        self._end(clip, recording)

    @abstractmethod
    def _take(self, clip: Clip, prepared: EncoderInput) -> None: ...

    @abstractmethod
    def _end(self, clip: Clip, recording: Recording | None) -> None: ...

    def _start(self, pieces: Sequence[QueuedPiece]) -> list[tuple[Sequence[QueuedPiece], EncodingBatch]]:
        """Start to encode pieces together; if memory runs out, or a clip is refused, each on its own."""
        full = [(clip, prepared) for clip, prepared in pieces if prepared.n_frames]
        if not full:
            return []
        try:
            return [(full, start_encoding(self._encoder, [prepared for _, prepared in full]))]
        except (MemoryError, ClipError):
            return [([piece], encoding) for piece in full if (encoding := self._start_alone(*piece)) is not None]

    def _start_alone(self, clip: Clip, prepared: EncoderInput) -> EncodingBatch | None:
        # A piece that does not fit into memory even on its own fails its clip; the others are stored.
        try:
            return start_encoding(self._encoder, [prepared])
        except MemoryError as error:
            reason = f"{clip.path}: {error}; split the clip or use a machine with more memory"
            self.builder.fail(clip, "encode", reason)
        except ClipError as error:
            self.builder.fail(clip, "encode", f"{clip.path}: {error}")
        return None


class PlannedBatches(OpenShard):
    """Batches of whole clips, planned from the clips' lengths.

    Parameters
    ----------
    builder, encoder, recipe
        See `OpenShard`.
    batches : sequence of sequence of str
        Clip ids; every clip of the shard once.
    postprocess : PostprocessPool
        Reduces and digests the encoded batches.
    """

    def __init__(
        self,
        builder: ShardBuilder,
        encoder: Encoder[Any],
        recipe: StoreRecipe,
        batches: Sequence[Sequence[str]],
        postprocess: PostprocessPool,
    ) -> None:
        super().__init__(builder, encoder, recipe)
        self._postprocess = postprocess
        self._batch_of = {clip_id: batch for batch in batches for clip_id in batch}
        self._waiting: dict[str, list[QueuedPiece]] = {}
        self._ended: dict[str, tuple[Clip, Recording | None]] = {}

    def _take(self, clip: Clip, prepared: EncoderInput) -> None:
        self._waiting.setdefault(clip.clip_id, []).append((clip, prepared))

    def _end(self, clip: Clip, recording: Recording | None) -> None:
        # Encode the batch if this was the last of its clips to end.
        if self.builder.has_failed(clip):
            self._waiting.pop(clip.clip_id, None)
        self._ended[clip.clip_id] = clip, recording
        batch = self._batch_of[clip.clip_id]
        if not self._ended.keys() >= set(batch):
            return
        pieces = [piece for clip_id in batch for piece in self._waiting.pop(clip_id, ())]
        encoding = self._start(pieces)
        ended = [self._ended[clip_id] for clip_id in batch]
        whole = [member for member, source in ended if source is not None and not self.builder.has_failed(member)]
        empty = [(member, prepared) for member, prepared in pieces if not prepared.n_frames]
        encoded = EncodedBatch(whole, empty, encoding)
        self._postprocess.submit(partial(store_batch, encoded, self._recipe, self._encoder.spec.stream), self._settle)

    def _settle(self, batch: StoredBatch) -> None:
        self.busy_s += batch.busy_s
        for clip_id, stored in batch.stored.items():
            clip, recording = self._ended[clip_id]
            if recording is not None:
                self.builder.add(clip, recording, stored)
        for clip_id, reason in batch.reasons.items():
            self.builder.fail(self._ended[clip_id][0], "encode", reason)


class PieceBatches(OpenShard):
    """Batches of pieces (pictures), of whichever clips of the shard they are.

    Parameters
    ----------
    builder, encoder, recipe
        See `OpenShard`.
    batch_frames : int
        A batch is encoded as soon as it holds this many frames.
    """

    def __init__(self, builder: ShardBuilder, encoder: Encoder[Any], recipe: StoreRecipe, batch_frames: int) -> None:
        super().__init__(builder, encoder, recipe)
        self._batch_frames = batch_frames
        self._stores: dict[str, ClipReducer] = {}
        self._waiting: list[QueuedPiece] = []
        self._ended: dict[str, tuple[Clip, Recording]] = {}

    def _take(self, clip: Clip, prepared: EncoderInput) -> None:
        self._waiting.append((clip, prepared))
        if sum(piece.n_frames for _, piece in self._waiting) >= self._batch_frames:
            self._flush()

    def _end(self, clip: Clip, recording: Recording | None) -> None:
        # A clip is finished when none of its pieces is queued; the last, smaller batch follows the shard's last clip.
        if recording is None or self.builder.has_failed(clip):
            self._stores.pop(clip.clip_id, None)
            self._waiting = [waiting for waiting in self._waiting if waiting[0].clip_id != clip.clip_id]
        else:
            self._ended[clip.clip_id] = clip, recording
        if not self._n_unfinished:
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

    def _encode(self, batch: Sequence[QueuedPiece]) -> None:
        # In the foreground, unlike whole clips: a clip that fails here must not contribute pieces to the next batch,
        # or the batches would depend on how fast the background is.
        for clip, prepared in batch:
            if not prepared.n_frames:
                self._store(clip, prepared, None)
        for pieces, encoding in self._start(batch):
            for (clip, prepared), states in zip(pieces, encoding.states(), strict=True):
                self._store(clip, prepared, states)
            self.busy_s += encoding.busy_s

    def _store(self, clip: Clip, prepared: EncoderInput, states: NDArray[np.float32] | None) -> None:
        if self.builder.has_failed(clip):
            self._stores.pop(clip.clip_id, None)
            return
        if clip.clip_id not in self._stores:
            self._stores[clip.clip_id] = self._new_store()
        try:
            self._stores[clip.clip_id].add(prepared, states)
        except (ClipError, MemoryError) as error:
            self.builder.fail(clip, "encode", failure_reason(clip, error))

    def _finish(self, clip: Clip, recording: Recording) -> None:
        store = self._stores.pop(clip.clip_id, None) or self._new_store()
        if self.builder.has_failed(clip):
            return
        try:
            self.builder.add(clip, recording, store.finish())
        except (ClipError, MemoryError) as error:
            self.builder.fail(clip, "encode", failure_reason(clip, error))

    def _new_store(self) -> ClipReducer:
        return ClipReducer(self._recipe, self._encoder.spec.stream)
