"""Post-processing threads: fetch hidden states from the device, reduce and hash them, return results in order.

The foreground thread only starts batches on the encoder, so that the device never waits for hashing. It blocks
when too many batches are in post-processing, which bounds memory.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ravfeat.cache.format import StoreRecipe
from ravfeat.encoders.base import EncoderInput, EncodingBatch
from ravfeat.errors import ClipError
from ravfeat.extract.reduce import ClipReducer, StoredClip
from ravfeat.manifest import Clip
from ravfeat.schema import Stream

__all__ = ["EncodedBatch", "PostprocessPool", "QueuedPiece", "StoredBatch", "failure_reason", "store_batch"]

QueuedPiece = tuple[Clip, EncoderInput]
"""A piece of a clip, queued for the encoder."""

_MAX_BATCHES = 3
"""Upper bound of the batches in post-processing: enough to keep a device busy, few enough for memory."""

_MAX_PER_DEVICE = 2
"""The same for each further device: one batch that it computes, and one that waits."""


@dataclass(frozen=True)
class EncodedBatch:
    """Whole clips that the encoder has started.

    Attributes
    ----------
    clips : sequence of Clip
        Clips that were read to their end and have not failed.
    empty : sequence of (Clip, EncoderInput)
        Pieces without frames.
    encoding : sequence of (sequence of (Clip, EncoderInput), EncodingBatch)
        Pieces with frames, in order, and the batch that encodes them.
    """

    clips: Sequence[Clip]
    empty: Sequence[QueuedPiece]
    encoding: Sequence[tuple[Sequence[QueuedPiece], EncodingBatch]]


@dataclass(frozen=True)
class StoredBatch:
    """Result of post-processing a batch.

    Attributes
    ----------
    stored : mapping of str to StoredClip
        By ``clip_id``.
    reasons : mapping of str to str
        Why the other clips failed, by ``clip_id``.
    busy_s : float
        Seconds that the device computed.
    """

    stored: Mapping[str, StoredClip]
    reasons: Mapping[str, str]
    busy_s: float


def failure_reason(clip: Clip, error: Exception) -> str:
    """Format the reason why a clip cannot be stored."""
    return f"{clip.path}: {str(error) or 'does not fit into memory'}"


def store_batch(batch: EncodedBatch, recipe: StoreRecipe, stream: Stream) -> StoredBatch:
    """Wait for the states of a batch and reduce each clip to what is stored; runs in a background thread."""
    stored, reasons = dict[str, StoredClip](), dict[str, str]()
    pieces: dict[str, list[tuple[EncoderInput, NDArray[np.float32] | None]]] = {}
    for clip, prepared in batch.empty:
        pieces.setdefault(clip.clip_id, []).append((prepared, None))
    for together, part in batch.encoding:
        for (clip, prepared), states in zip(together, part.states(), strict=True):
            pieces.setdefault(clip.clip_id, []).append((prepared, states))
    for clip in batch.clips:
        store = ClipReducer(recipe, stream)
        try:
            for prepared, piece_states in pieces.get(clip.clip_id, ()):
                store.add(prepared, piece_states)
            stored[clip.clip_id] = store.finish()
        except (ClipError, MemoryError) as error:
            reasons[clip.clip_id] = failure_reason(clip, error)
    return StoredBatch(stored, reasons, sum(part.busy_s for _, part in batch.encoding))


class PostprocessPool:
    """Thread pool that post-processes batches and returns their results in the order of submission.

    Results in order make the order of the clips in memory, and of error messages, independent of thread timing.

    Parameters
    ----------
    devices : int
        How many devices encode at once.
    """

    def __init__(self, devices: int = 1) -> None:
        self._limit = _MAX_BATCHES + _MAX_PER_DEVICE * (devices - 1)
        self._pool = ThreadPoolExecutor(max_workers=self._limit, thread_name_prefix="store")
        self._waiting: deque[tuple[Future[StoredBatch], Callable[[StoredBatch], None]]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: BaseException | type[BaseException] | TracebackType | None) -> None:
        self._pool.shutdown(cancel_futures=True)

    def submit(self, work: Callable[[], StoredBatch], take: Callable[[StoredBatch], None]) -> None:
        """Start ``work`` in the background; `collect` later calls ``take`` with its result in the foreground."""
        if len(self._waiting) == self._limit:
            self._take_first()
        self._waiting.append((self._pool.submit(work), take))

    def collect(self, *, wait: bool) -> None:
        """Take all finished results, or with ``wait`` all results; errors of background threads are raised here."""
        while self._waiting and (wait or self._waiting[0][0].done()):
            self._take_first()

    def _take_first(self) -> None:
        future, take = self._waiting.popleft()
        take(future.result())
