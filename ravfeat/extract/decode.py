"""Clips read and prepared ahead of the encoders, in background threads, given in order.

A file is read once, whatever number of encoders want it: every piece is prepared for each of them
where it is read.
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

from ravfeat.encoders.base import Encoder, Prepared
from ravfeat.encoders.threads import beside_the_encoder
from ravfeat.errors import ClipError, MediaError
from ravfeat.manifest import Clip
from ravfeat.media.source import Recording, Source
from ravfeat.resources import processors

__all__ = ["ClipEnd", "Event", "PreparedPiece", "Taker", "read_ahead", "read_clip", "workers"]

_MAX_WORKERS = 8
_PIECES = 4
"""Pieces of one clip that wait for the encoders at most; bounds memory."""

Taker = int
"""Number of an encoder in this run."""


@dataclass(frozen=True)
class PreparedPiece:
    """One piece of a clip, ready for every encoder that takes it.

    Attributes
    ----------
    clip : Clip
    prepared : mapping of int to Prepared
        By the number of the encoder.
    """

    clip: Clip
    prepared: Mapping[Taker, Prepared]


@dataclass(frozen=True)
class ClipEnd:
    """What follows the last piece of a clip.

    Attributes
    ----------
    clip : Clip
    recording : Recording or None
        None where the clip could not be read to its end.
    reasons : mapping of int to str
        Why the clip failed, by the number of the encoder, with the path relative to the data;
        nothing for those it did not fail for.
    """

    clip: Clip
    recording: Recording | None = None
    reasons: Mapping[Taker, str] = field(default_factory=dict)


Event = PreparedPiece | ClipEnd


def read_clip(
    clip: Clip, root: Path | None, source: Source[Any], encoders: Mapping[Taker, Encoder[Any]]
) -> Generator[Event, None, None]:
    """Read one clip and prepare its pieces; what is wrong with the clip comes as a reason at its end.

    Parameters
    ----------
    clip : Clip
    root : Path, optional
        What the clip's path is relative to; None where the clip is not in the data at hand.
    source : Source
    encoders : mapping of int to Encoder
        Who takes this clip.
    """
    if root is None:
        reason = f"{clip.path} belongs in this cache and is not among the data given now"
        yield ClipEnd(clip, reasons=dict.fromkeys(encoders, reason))
        return
    taking, reasons = dict(encoders), dict[Taker, str]()
    recording = None
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
            for taker, encoder in list(taking.items()):
                try:
                    prepared[taker] = encoder.prepare(piece)
                except (MediaError, ClipError, MemoryError) as error:
                    reasons[taker] = _reason(error, clip, root)
                    del taking[taker]
            yield PreparedPiece(clip, prepared)
    yield ClipEnd(clip, recording, reasons)


def _reason(error: Exception, clip: Clip, root: Path) -> str:
    # The reason is stored in the shard, which says nothing about the machine it was made on.
    reason = str(error).replace(str(root / clip.path), clip.path) or "does not fit into memory"
    return reason if clip.path in reason else f"{clip.path}: {reason}"


def read_ahead(
    clips: Iterable[Clip], read: Callable[[Clip], Generator[Event, None, None]], ahead: int
) -> Generator[Event, None, None]:
    """Run ``read`` over clips in background threads and give all events, clip after clip.

    Parameters
    ----------
    clips : iterable of Clip
    read : callable
        Such as `read_clip`.
    ahead : int
        Clips that wait at most; of each of them at most a few pieces do.
    """
    stop = threading.Event()
    with (
        beside_the_encoder() as settle,
        ThreadPoolExecutor(max_workers=workers(), thread_name_prefix="read", initializer=settle) as pool,
    ):
        waiting: deque[tuple[Future[None], Queue[Event | None]]] = deque()
        try:
            for clip in clips:
                queue: Queue[Event | None] = Queue(_PIECES)
                waiting.append((pool.submit(_fill, queue, read, clip, stop), queue))
                if len(waiting) > ahead:
                    yield from _drain(*waiting.popleft())
            while waiting:
                yield from _drain(*waiting.popleft())
        finally:
            stop.set()
            for future, _ in waiting:
                future.cancel()


def workers() -> int:
    """Say how many threads work beside the encoders: at least two, and half of what there is."""
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
    future.result()  # a bug of ours in the background is raised here
