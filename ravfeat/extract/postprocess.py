"""What follows the encoder, in threads behind it: states fetched, narrowed, digested; results in order.

The foreground only ever hands the next batch to the encoder. It waits where too many batches are behind, which
bounds memory.
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
from ravfeat.encoders.base import Prepared, Underway
from ravfeat.errors import ClipError
from ravfeat.extract.decode import workers
from ravfeat.extract.reduce import ClipStore, StoredClip
from ravfeat.manifest import Clip
from ravfeat.schema import Stream

__all__ = ["Behind", "EncodedBatch", "StoredBatch", "Waiting", "store_batch", "why"]

Waiting = tuple[Clip, Prepared]
"""A piece of a clip that waits for the encoder."""

_BATCHES = 3
"""That are behind the encoder at most."""


@dataclass(frozen=True)
class EncodedBatch:
    """Whole clips that an encoder has begun.

    Attributes
    ----------
    clips : sequence of Clip
        Those that were read to their end and have not failed.
    empty : sequence of (Clip, Prepared)
        Their pieces without frames.
    underway : sequence of (sequence of (Clip, Prepared), Underway)
        Their pieces with frames, in order, as they are encoded together.
    """

    clips: Sequence[Clip]
    empty: Sequence[Waiting]
    underway: Sequence[tuple[Sequence[Waiting], Underway]]


@dataclass(frozen=True)
class StoredBatch:
    """What became of it.

    Attributes
    ----------
    stored : mapping of str to StoredClip
        By ``clip_id``.
    reasons : mapping of str to str
        Why the others failed.
    busy_s : float
        Seconds that the device was at it.
    """

    stored: Mapping[str, StoredClip]
    reasons: Mapping[str, str]
    busy_s: float


def why(clip: Clip, error: Exception) -> str:
    """Say why a clip cannot be stored."""
    return f"{clip.path}: {str(error) or 'does not fit into memory'}"


def store_batch(batch: EncodedBatch, recipe: StoreRecipe, stream: Stream) -> StoredBatch:
    """Wait for the states of a batch and make of each clip what is stored of it; runs behind the encoder."""
    stored, reasons = dict[str, StoredClip](), dict[str, str]()
    pieces: dict[str, list[tuple[Prepared, NDArray[np.float32] | None]]] = {}
    for clip, prepared in batch.empty:
        pieces.setdefault(clip.clip_id, []).append((prepared, None))
    for together, one in batch.underway:
        for (clip, prepared), states in zip(together, one.states(), strict=True):
            pieces.setdefault(clip.clip_id, []).append((prepared, states))
    for clip in batch.clips:
        store = ClipStore(recipe, stream)
        try:
            for prepared, own in pieces.get(clip.clip_id, ()):
                store.add(prepared, own)
            stored[clip.clip_id] = store.finish()
        except (ClipError, MemoryError) as error:
            reasons[clip.clip_id] = why(clip, error)
    return StoredBatch(stored, reasons, sum(one.busy_s for _, one in batch.underway))


class Behind:
    """Threads behind the encoders of a run; what they return is taken in the order in which it was given."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=workers(), thread_name_prefix="store")
        self._waiting: deque[tuple[Future[StoredBatch], Callable[[StoredBatch], None]]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: BaseException | type[BaseException] | TracebackType | None) -> None:
        self._pool.shutdown(cancel_futures=True)

    def submit(self, work: Callable[[], StoredBatch], take: Callable[[StoredBatch], None]) -> None:
        """Begin work whose result will be taken in the foreground."""
        if len(self._waiting) == _BATCHES:
            self._take_first()
        self._waiting.append((self._pool.submit(work), take))

    def collect(self, *, wait: bool) -> None:
        """Take what is through; what went wrong in the background is raised here."""
        while self._waiting and (wait or self._waiting[0][0].done()):
            self._take_first()

    def _take_first(self) -> None:
        future, take = self._waiting.popleft()
        take(future.result())
