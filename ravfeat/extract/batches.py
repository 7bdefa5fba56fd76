"""Queue the pieces of clips until a batch is full, encode it, and pass the clips to their shards."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Any

from ravfeat.cache.format import StoreRecipe
from ravfeat.encoders.base import Encoder, EncoderInput
from ravfeat.extract.encode import ClipEncoder
from ravfeat.extract.memory import BatchStarter
from ravfeat.extract.open_shards import OpenShards
from ravfeat.extract.postprocess import (
    EncodedBatch,
    PostprocessPool,
    QueuedPiece,
    StoredBatch,
    store_batch,
)
from ravfeat.extract.reduce import ClipReducer, StoredClip
from ravfeat.manifest import Clip
from ravfeat.media.source import Recording

__all__ = ["BatchQueue", "PieceBatches", "PlannedBatches"]


class BatchQueue(ABC):
    """The pieces that wait for an encoder.

    Parameters
    ----------
    encoder : Encoder
    recipe : StoreRecipe
    shards : OpenShards
        Get the encoded clips, and the reasons of those that failed.

    Attributes
    ----------
    busy_s : float
        Seconds that the encoder computed.
    """

    def __init__(self, encoder: Encoder[Any], recipe: StoreRecipe, shards: OpenShards) -> None:
        self._encoder = encoder
        self._recipe = recipe
        self._shards = shards
        self._starter = BatchStarter(encoder)
        self.busy_s = 0.0

    def take(self, clip: Clip, prepared: EncoderInput) -> None:
        """Receive the next piece of a clip; pieces of a clip that has failed are dropped."""
        if not self._shards.has_failed(clip):
            self._take(clip, prepared)

    def end(self, clip: Clip, recording: Recording | None, reason: str) -> None:
        """Receive the end of a clip: no more pieces follow, or it failed with ``reason``."""
        self._shards.ended(clip)
        if reason or recording is None:
            self._shards.fail(clip, "decode", reason or f"{clip.path}: could not be read to its end")
        self._end(clip, recording)

    @abstractmethod
    def _take(self, clip: Clip, prepared: EncoderInput) -> None: ...

    @abstractmethod
    def _end(self, clip: Clip, recording: Recording | None) -> None: ...

    def _fail(self, clip: Clip, reason: str) -> None:
        self._shards.fail(clip, "encode", reason)


class PlannedBatches(BatchQueue):
    """Batches of whole clips, planned from the clips' lengths.

    Parameters
    ----------
    encoder, recipe, shards
        See `BatchQueue`.
    batches : sequence of sequence of Clip
        Every clip that will be read, once.
    postprocess : PostprocessPool
        Reduces and digests the encoded batches.
    """

    def __init__(
        self,
        encoder: Encoder[Any],
        recipe: StoreRecipe,
        shards: OpenShards,
        batches: Sequence[Sequence[Clip]],
        postprocess: PostprocessPool,
    ) -> None:
        super().__init__(encoder, recipe, shards)
        self._postprocess = postprocess
        self._batch_of = {clip.clip_id: batch for batch in batches for clip in batch}
        self._waiting: dict[str, list[QueuedPiece]] = {}
        self._ended: dict[str, Recording | None] = {}

    def _take(self, clip: Clip, prepared: EncoderInput) -> None:
        self._waiting.setdefault(clip.clip_id, []).append((clip, prepared))

    def _end(self, clip: Clip, recording: Recording | None) -> None:
        # Encode the batch if this was the last of its clips to end.
        if self._shards.has_failed(clip):
            self._waiting.pop(clip.clip_id, None)
        self._ended[clip.clip_id] = recording
        batch = self._batch_of[clip.clip_id]
        if any(member.clip_id not in self._ended for member in batch):
            return
        pieces = [piece for member in batch for piece in self._waiting.pop(member.clip_id, ())]
        encoding = self._starter.start([piece for piece in pieces if piece[1].n_frames], self._fail)
        recordings = {member.clip_id: self._ended.pop(member.clip_id) for member in batch}
        whole = [
            member for member in batch if recordings[member.clip_id] is not None and not self._shards.has_failed(member)
        ]
        empty = [(member, prepared) for member, prepared in pieces if not prepared.n_frames]
        encoded = EncodedBatch(whole, empty, encoding)
        work = partial(store_batch, encoded, self._recipe, self._encoder.spec.stream)
        self._postprocess.submit(work, partial(self._settle, whole, recordings))

    def _settle(self, clips: Sequence[Clip], recordings: dict[str, Recording | None], batch: StoredBatch) -> None:
        self.busy_s += batch.busy_s
        for clip in clips:
            recording = recordings[clip.clip_id]
            if clip.clip_id in batch.reasons:
                self._fail(clip, batch.reasons[clip.clip_id])
            elif recording is not None:
                self._shards.add(clip, recording, batch.stored[clip.clip_id])


class PieceBatches(BatchQueue):
    """Batches of pieces (pictures) of one clip.

    Every frame is encoded by itself, so a batch could hold pieces of several clips; then its composition would depend
    on all clips before, and a run that continues with the next clip would have to encode those again.

    Parameters
    ----------
    encoder, recipe, shards
        See `BatchQueue`.
    batch_frames : int
        A batch is encoded as soon as it holds this many frames.
    """

    def __init__(self, encoder: Encoder[Any], recipe: StoreRecipe, shards: OpenShards, batch_frames: int) -> None:
        super().__init__(encoder, recipe, shards)
        self._batch_frames = batch_frames
        self._encoding: dict[str, ClipEncoder[StoredClip]] = {}

    def _take(self, clip: Clip, prepared: EncoderInput) -> None:
        # In the foreground, unlike whole clips: nothing more of a clip that fails here is read or encoded.
        if (encoding := self._encoding.get(clip.clip_id)) is None:
            encoding = self._encoding[clip.clip_id] = self._start(clip)
        encoding.take(prepared)
        if encoding.reason:
            self._fail(clip, encoding.reason)

    def _end(self, clip: Clip, recording: Recording | None) -> None:
        encoding = self._encoding.pop(clip.clip_id, None) or self._start(clip)
        if recording is not None and not self._shards.has_failed(clip):
            stored = encoding.finish()
            if stored is None:
                self._fail(clip, encoding.reason)
            else:
                self._shards.add(clip, recording, stored)
        self.busy_s += encoding.busy_s

    def _start(self, clip: Clip) -> ClipEncoder[StoredClip]:
        reducer = ClipReducer(self._recipe, self._encoder.spec.stream)
        return ClipEncoder(clip, self._encoder, reducer, starter=self._starter, batch_frames=self._batch_frames)
