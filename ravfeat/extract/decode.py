"""Decode and prepare clips in background threads, ahead of the encoders, and yield them in order.

A file is read once, however many encoders use it: each piece is prepared for all of them in the thread that
read it.
"""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from queue import Full, Queue
from typing import Any

from ravfeat.encoders.base import Encoder, EncoderInput
from ravfeat.encoders.threads import single_threaded_readers
from ravfeat.errors import ClipError, MediaError
from ravfeat.manifest import Clip
from ravfeat.media.source import Recording, Source
from ravfeat.resources import processors

__all__ = ["ClipEnd", "EncoderIndex", "Event", "PreparedPiece", "read_ahead", "read_clip", "workers"]

_MAX_WORKERS = 8
_PIECES = 4
"""Upper bound of the queued pieces of one clip. It bounds memory: a reader of a long video waits."""

EncoderIndex = int
"""Position of an encoder among those of this run."""


@dataclass(frozen=True)
class PreparedPiece:
    """One piece of a clip, prepared for every encoder that stores the clip.

    Attributes
    ----------
    clip : Clip
    prepared : mapping of int to EncoderInput
        By encoder.
    """

    clip: Clip
    prepared: Mapping[EncoderIndex, EncoderInput]


@dataclass(frozen=True)
class ClipEnd:
    """End of a clip, sent after its last piece.

    Attributes
    ----------
    clip : Clip
    recording : Recording or None
        None where the clip could not be read to its end.
    reasons : mapping of int to str
        Why the clip failed, by encoder, with the path relative to the data; empty where it did not fail.
    """

    clip: Clip
    recording: Recording | None = None
    reasons: Mapping[EncoderIndex, str] = field(default_factory=dict)


Event = PreparedPiece | ClipEnd


def read_clip(
    clip: Clip, root: Path | None, source: Source[Any], encoders: Mapping[EncoderIndex, Encoder[Any]]
) -> Generator[Event, None, None]:
    """Read one clip and prepare its pieces; an error of the clip is reported as a reason at its end.

    Parameters
    ----------
    clip : Clip
    root : Path, optional
        Folder that the clip's path is relative to; None where the given data do not contain the clip.
    source : Source
    encoders : mapping of int to Encoder
        The encoders that store this clip.
    """
    if root is None:
        reason = f"{clip.path} belongs in this cache and is not among the data given now"
        yield ClipEnd(clip, reasons=dict.fromkeys(encoders, reason))
        return
    taking, reasons = dict(encoders), dict[EncoderIndex, str]()
    recording = None
    # closing: a reader that is not exhausted holds a file, and for faces a MediaPipe task.
    with closing(source.read(clip, root)) as pieces:
        while taking:
            try:
                piece = next(pieces)
            except StopIteration as end:
                recording = end.value
                break
            except (MediaError, ClipError, MemoryError) as error:
                reasons |= dict.fromkeys(taking, _reason(error, clip, root))
                break
            prepared = {}
            for index, encoder in list(taking.items()):
                try:
                    prepared[index] = encoder.prepare(piece)
                except (MediaError, ClipError, MemoryError) as error:  # for this encoder only; others go on
                    reasons[index] = _reason(error, clip, root)
                    del taking[index]
            yield PreparedPiece(clip, prepared)
    yield ClipEnd(clip, recording, reasons)


def _reason(error: Exception, clip: Clip, root: Path) -> str:
    # The reason is stored in the shard, and a cache holds no paths of the machine that made it.
    reason = str(error).replace(str(root / clip.path), clip.path) or "does not fit into memory"
    return reason if clip.path in reason else f"{clip.path}: {reason}"


def read_ahead(
    clips: Iterable[Clip], read: Callable[[Clip], Generator[Event, None, None]], ahead: int
) -> Generator[Event, None, None]:
    """Run ``read`` over clips in background threads and yield all events, clip after clip.

    Parameters
    ----------
    clips : iterable of Clip
    read : callable
        For example `read_clip`.
    ahead : int
        Upper bound of the clips that are read ahead; of each, at most a few pieces are in memory.
    """
    stop = threading.Event()
    with (
        single_threaded_readers() as settle,
        ThreadPoolExecutor(max_workers=workers(), thread_name_prefix="read", initializer=settle) as pool,
    ):
        waiting: deque[tuple[Future[None], Queue[Event | None]]] = deque()
        try:
            for clip in clips:
                queue: Queue[Event | None] = Queue(_PIECES)
                waiting.append((pool.submit(_fill, queue, read, clip, stop), queue))
                # Results in the order of the clips, whichever thread is first: batches and shards are filled
                # deterministically.
                if len(waiting) > ahead:
                    yield from _drain(*waiting.popleft())
            while waiting:
                yield from _drain(*waiting.popleft())
        finally:
            # Also reached if the consumer stops early: threads that wait at a full queue must end, or the pool never
            # shuts down.
            stop.set()
            for future, _ in waiting:
                future.cancel()


def workers() -> int:
    """Return the number of background threads: half of the processors, at least two.

    The other half is left to the encoder, which computes at the same time.
    """
    return min(_MAX_WORKERS, max(2, processors() // 2))


def _fill(
    queue: "Queue[Event | None]",
    read: Callable[[Clip], Generator[Event, None, None]],
    clip: Clip,
    stop: threading.Event,
) -> None:
    try:
        with closing(read(clip)) as events:
            for event in events:
                if not _put(queue, event, stop):
                    return
    finally:
        _put(queue, None, stop)


def _put(queue: "Queue[Event | None]", item: Event | None, stop: threading.Event) -> bool:
    # The consumer may have stopped for good (an error, a keyboard interrupt) while the queue is full: a blocking put
    # would then never return, and neither would the pool's shutdown.
    while not stop.is_set():
        try:
            queue.put(item, timeout=0.05)
        except Full:
            continue
        return True
    return False


def _drain(future: "Future[None]", queue: "Queue[Event | None]") -> Generator[Event, None, None]:
    while (event := queue.get()) is not None:
        yield event
    future.result()  # an unexpected error of the background thread is raised here
