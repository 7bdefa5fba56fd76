"""Decode and prepare clips in background threads, ahead of the encoders, and yield them in order.

A file is read once, however many encoders use it, and however many views of it are encoded: each piece is prepared for
all of them in the thread that read it. Threads suffice, since the work is done by libraries that release the
interpreter's lock.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

from ravfeat.encoders.base import Encoder, EncoderInput
from ravfeat.encoders.threads import single_threaded_readers
from ravfeat.errors import ClipError, MediaError
from ravfeat.extract.ordered_buffer import OrderedBuffer
from ravfeat.manifest import Clip
from ravfeat.media.augment import View
from ravfeat.media.source import Recording, Source
from ravfeat.media.waveform_source import viewed
from ravfeat.resources import memory_budget

__all__ = ["ClipEnd", "EncoderIndex", "Event", "PreparedPiece", "read_ahead", "read_clip"]

_MAX_BYTES = 4_000_000_000
"""Enough for 64 videos of 100 pictures, prepared for four encoders of 224 x 224 pixels."""

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
EventType = TypeVar("EventType")


class _Named(Protocol):
    @property
    def path(self) -> str: ...


HasPath = TypeVar("HasPath", bound=_Named)


def read_clip(
    clip: Clip,
    root: Path | None,
    source: Source[Any],
    encoders: Mapping[EncoderIndex, Encoder[Any]],
    views: Mapping[EncoderIndex, View] = MappingProxyType({}),
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
    views : mapping of int to View
        For encoders that get a view of the clip, which must be a waveform; the others get it as it is.
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
            prepared, refused = _prepare(piece, clip, taking, views)
            for index, refusal in refused.items():
                heard = f" (view {views[index].name})" if index in views else ""
                reasons[index] = f"{_reason(refusal, clip, root)}{heard}"
            taking = {index: encoder for index, encoder in taking.items() if index not in refused}
            del piece  # full pictures; the thread may wait for a long time now
            yield PreparedPiece(clip, prepared)
    yield ClipEnd(clip, recording, reasons)


def _prepare(
    piece: Any, clip: Clip, encoders: Mapping[EncoderIndex, Encoder[Any]], views: Mapping[EncoderIndex, View]
) -> tuple[dict[EncoderIndex, EncoderInput], dict[EncoderIndex, Exception]]:
    """Prepare a piece for encoders; an error is for one of them only, others go on."""
    prepared, refused = dict[EncoderIndex, EncoderInput](), dict[EncoderIndex, Exception]()
    # View by view: each is made once for all its encoders, and one of them is in memory at a time.
    for view in dict.fromkeys(views.get(index) for index in encoders):
        try:
            changed = piece if view is None else viewed(piece, view, clip.performance_id)
        except (ClipError, MemoryError) as error:
            refused |= {index: error for index in encoders if views.get(index) == view}
            continue
        for index, encoder in encoders.items():
            if views.get(index) == view:
                try:
                    prepared[index] = encoder.prepare(changed)
                except (MediaError, ClipError, MemoryError) as error:
                    refused[index] = error
    return prepared, refused


def _reason(error: Exception, clip: Clip, root: Path) -> str:
    # The reason is stored in the shard, and a cache holds no paths of the machine that made it.
    reason = str(error).replace(str(root / clip.path), clip.path) or "does not fit into memory"
    return reason if clip.path in reason else f"{clip.path}: {reason}"


def read_ahead(
    clips: Iterable[HasPath],
    read: Callable[[HasPath], Generator[EventType, None, None]],
    ahead: int,
    *,
    readers: int = 2,
    limit: int | None = None,
) -> Generator[EventType, None, None]:
    """Run ``read`` over clips in background threads and yield all events, clip after clip.

    Parameters
    ----------
    clips : iterable of Clip
        Or of anything else that has a path.
    read : callable
        For example `read_clip`; it may yield events of other kinds, too.
    ahead : int
        Upper bound of the clips that are read ahead.
    readers : int
        Number of threads.
    limit : int, optional
        Upper bound of the bytes of prepared pieces that wait to be yielded; by default an eighth of the free memory, at
        most 4 GB. Besides, every thread holds the piece that it works on.

    Raises
    ------
    Exception
        What ``read`` raises, with the clip's path as a note, after the events of the clips before it.
    """
    buffer = OrderedBuffer[EventType](_buffer_limit() if limit is None else limit)
    with (
        single_threaded_readers() as settle,
        ThreadPoolExecutor(max_workers=readers, thread_name_prefix="read", initializer=settle) as pool,
    ):
        waiting: deque[Future[None]] = deque()
        try:
            for number, clip in enumerate(clips):
                waiting.append(pool.submit(_fill, buffer, number, read, clip))
                # Results in the order of the clips, whichever thread is first: batches and shards are filled
                # deterministically.
                if len(waiting) > ahead:
                    yield from _drain(buffer, waiting.popleft())
            while waiting:
                yield from _drain(buffer, waiting.popleft())
        finally:
            # Also reached if the consumer stops early: threads that wait for room must end, or the pool never shuts
            # down.
            buffer.close()
            for future in waiting:
                future.cancel()


def _buffer_limit() -> int:
    return min(_MAX_BYTES, memory_budget() // 4)


def _fill(
    buffer: OrderedBuffer[EventType],
    number: int,
    read: Callable[[HasPath], Generator[EventType, None, None]],
    clip: HasPath,
) -> None:
    try:
        with closing(read(clip)) as events:
            for event in events:
                if not buffer.put(number, event, _n_bytes(event)):
                    return
                del event  # it may be encoded and gone before the next one is there
    except BaseException as error:
        error.add_note(f"while reading {clip.path}")
        raise
    finally:
        buffer.end(number)


def _n_bytes(event: object) -> int:
    if not isinstance(event, PreparedPiece):
        return 0
    pieces = event.prepared.values()
    return sum(array.nbytes for piece in pieces for array in (piece.values, piece.times_s, *piece.columns.values()))


def _drain(buffer: OrderedBuffer[EventType], future: "Future[None]") -> Generator[EventType, None, None]:
    yield from buffer.take_all()
    future.result()  # an unexpected error of the background thread is raised here
