"""Encode one clip: gather its pieces, run the encoder on batches of them, and reduce the hidden states as they come.

Extractions of pictures, the retry of failed clips and predictions of recordings all encode a clip here, so that they
give the same numbers. Whole clips that share a batch are in `ravfeat.extract.batches`.
"""

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ravfeat.encoders.base import Encoder, EncoderInput
from ravfeat.errors import ClipError
from ravfeat.extract.decode import ClipEnd, EncoderIndex, Event
from ravfeat.extract.memory import BatchStarter
from ravfeat.extract.postprocess import failure_reason
from ravfeat.manifest import Clip
from ravfeat.media.source import Recording

__all__ = ["BATCH_FRAMES", "ClipEncoder", "EncodedClip", "Reducer", "encode_clip"]

BATCH_FRAMES = 64
"""Pictures that are encoded together: the last bits of a product depend on the batch."""

Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)

Read = Callable[[Mapping[EncoderIndex, Encoder[Any]], Clip], Generator[Event, None, None]]
"""Reads a clip for some encoders; see `ravfeat.extract.decode.read_clip`."""


class Reducer(Protocol[Result_co]):
    """What becomes of a clip's hidden states; see `ravfeat.extract.reduce.ClipReducer`."""

    def add(self, prepared: EncoderInput, states: NDArray[np.float32] | None) -> None:
        """Add the states (T, L, D) of the next piece; None where it has no frame."""
        ...

    def finish(self) -> Result_co:
        """Give the result, once all pieces are added."""
        ...


class ClipEncoder(Generic[Result]):
    """Encode one clip with one encoder.

    Parameters
    ----------
    clip : Clip
    encoder : Encoder
    reducer : Reducer
    starter : BatchStarter, optional
        Of this encoder; knows how many frames fit into memory.
    batch_frames : int
        Where every frame is encoded by itself, pieces are encoded as soon as they hold this many frames.

    Attributes
    ----------
    reason : str
        Why the clip cannot be encoded; empty where it can.
    busy_s : float
        Seconds that the encoder computed.
    """

    def __init__(
        self,
        clip: Clip,
        encoder: Encoder[Any],
        reducer: Reducer[Result],
        *,
        starter: BatchStarter | None = None,
        batch_frames: int = BATCH_FRAMES,
    ) -> None:
        self._clip, self._reducer = clip, reducer
        self._starter = starter or BatchStarter(encoder)
        # Whole clips wait for their last piece.
        self._batch_frames = batch_frames if encoder.batching == "pieces" else None
        self._waiting: list[EncoderInput] = []
        self.reason = ""
        self.busy_s = 0.0

    def take(self, prepared: EncoderInput) -> None:
        """Receive the next piece; encode those that wait where they fill a batch."""
        if self.reason:
            return
        self._waiting.append(prepared)
        if self._batch_frames and sum(piece.n_frames for piece in self._waiting) >= self._batch_frames:
            self._encode()

    def finish(self) -> Result | None:
        """Encode what waits and give the result; None, with a `reason`, where the clip cannot be encoded."""
        self._encode()
        if self.reason:
            return None
        try:
            return self._reducer.finish()
        except (ClipError, MemoryError) as error:
            self.reason = failure_reason(self._clip, error)
        return None

    def _encode(self) -> None:
        pieces, self._waiting = self._waiting, []
        queued = [(self._clip, piece) for piece in pieces if piece.n_frames]
        states: list[NDArray[np.float32]] = []
        for _, encoding in self._starter.start(queued, self._fail, wait=True):
            states += encoding.states()
            self.busy_s += encoding.busy_s
        if self.reason:
            return
        remaining = iter(states)
        try:
            for piece in pieces:
                self._reducer.add(piece, next(remaining) if piece.n_frames else None)
        except (ClipError, MemoryError) as error:
            self.reason = failure_reason(self._clip, error)

    def _fail(self, clip: Clip, reason: str) -> None:
        self.reason = self.reason or reason


@dataclass(frozen=True)
class EncodedClip(Generic[Result]):
    """A clip as several encoders encoded it.

    Attributes
    ----------
    recording : Recording or None
        None where the clip could not be read to its end.
    results : mapping of int to Result
        What the reducers gave, by encoder.
    reasons : mapping of int to str
        Why there is no result, for the other encoders.
    """

    recording: Recording | None
    results: Mapping[EncoderIndex, Result]
    reasons: Mapping[EncoderIndex, str]


def encode_clip(
    clip: Clip,
    read: Read,
    encoders: Mapping[EncoderIndex, Encoder[Any]],
    reducers: Mapping[EncoderIndex, Reducer[Result]],
) -> EncodedClip[Result]:
    """Read a clip once and encode it with several encoders; write nothing.

    Parameters
    ----------
    clip : Clip
    read : callable
        See `Read`.
    encoders : mapping of int to Encoder
    reducers : mapping of int to Reducer
        One for each encoder.
    """
    encoding = {index: ClipEncoder(clip, encoder, reducers[index]) for index, encoder in encoders.items()}
    end = ClipEnd(clip)
    with closing(read(encoders, clip)) as events:
        for event in events:
            if isinstance(event, ClipEnd):
                end = event
                break
            for index, prepared in event.prepared.items():
                encoding[index].take(prepared)
    results, reasons = dict[EncoderIndex, Result](), dict[EncoderIndex, str]()
    for index, clip_encoder in encoding.items():
        whole = end.recording is not None and index not in end.reasons
        result = clip_encoder.finish() if whole else None
        if result is None:
            unread = end.reasons.get(index) or f"{clip.path}: could not be read to its end"
            reasons[index] = clip_encoder.reason if whole else unread
        else:
            results[index] = result
    return EncodedClip(end.recording, results, reasons)
