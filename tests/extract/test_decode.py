"""Reading ahead."""

import threading
import time
import weakref
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ravfeat.encoders.base import EncoderInput
from ravfeat.encoders.logmel import LogMelEncoder
from ravfeat.errors import ClipError, MediaError
from ravfeat.extract.decode import ClipEnd, Event, PreparedPiece, read_ahead, read_clip
from ravfeat.manifest import Clip
from ravfeat.media.source import Recording
from ravfeat.media.waveform_source import WaveformSource

CLIPS = [Clip(f"{i:03d}", f"{i:03d}", "c:1", "", "sad", f"{i:03d}.wav") for i in range(100)]
AHEAD = 5


@dataclass
class Pieces:
    """A source of numbers: clip after clip so many pieces, or an error after them."""

    pieces: int = 3
    error: Exception | None = None
    readers: int = 2
    closed: list[str] = field(default_factory=list)

    def read(self, clip: Clip, root: Path) -> Generator[int, None, Recording]:
        try:
            yield from range(self.pieces)
            if self.error is not None:
                raise self.error
            return Recording(self.pieces, 1.0, "digest")
        finally:
            self.closed.append(clip.clip_id)

    def provenance(self) -> dict[str, Any]:
        return {}


@dataclass
class Refusing:
    """Prepares pieces up to a number."""

    limit: int = 1000

    def prepare(self, piece: int) -> EncoderInput:
        if piece >= self.limit:
            raise ClipError(f"too long: {piece}")
        return EncoderInput(np.array([piece]), np.array([float(piece)]))


def ends(events: Sequence[Event]) -> list[ClipEnd]:
    return [event for event in events if isinstance(event, ClipEnd)]


def pieces_for(events: Sequence[Event], index: int) -> list[int]:
    pieces = [event for event in events if isinstance(event, PreparedPiece)]
    return [int(event.prepared[index].values[0]) for event in pieces if index in event.prepared]


def piece(clip: Clip, n_bytes: int = 0) -> PreparedPiece:
    return PreparedPiece(clip, {0: EncoderInput(np.zeros(n_bytes, np.uint8), np.empty(0))})


def test_events_come_clip_after_clip_however_long_each_takes() -> None:
    def read(clip: Clip) -> Generator[Event, None, None]:
        for _ in range(7):
            time.sleep(0.0005 if int(clip.clip_id) % 3 else 0.002)
            yield piece(clip)
        yield ClipEnd(clip)

    events = list(read_ahead(CLIPS[:20], read, AHEAD, readers=4))
    assert [event.clip for event in events] == [clip for clip in CLIPS[:20] for _ in range(8)]
    assert [event.clip for event in ends(events)] == CLIPS[:20]


def test_clips_ahead_are_read_to_their_end_while_the_first_goes_on() -> None:
    ended = {clip.clip_id: threading.Event() for clip in CLIPS}

    def read(clip: Clip) -> Generator[Event, None, None]:
        if clip == CLIPS[0]:  # as long as all the others together
            assert all(ended[other.clip_id].wait(20) for other in CLIPS[1 : AHEAD + 1])
        for _ in range(50):
            yield piece(clip)
        ended[clip.clip_id].set()
        yield ClipEnd(clip)

    assert len(list(read_ahead(CLIPS[: AHEAD + 1], read, AHEAD))) == 51 * (AHEAD + 1)


def test_no_more_clips_and_bytes_wait_than_memory_should_hold() -> None:
    started, made, taken = [], [], 0

    def read(clip: Clip) -> Generator[Event, None, None]:
        started.append(clip)
        for _ in range(400 if clip == CLIPS[4] else 2):  # one video of hours among short ones
            made.append(clip)
            yield piece(clip, 1000)
        yield ClipEnd(clip)

    given = 0
    for event in read_ahead(CLIPS[:30], read, AHEAD, readers=3, limit=10_000):
        given += isinstance(event, ClipEnd)
        taken += isinstance(event, PreparedPiece)
        assert len(started) - given <= AHEAD + 1
        # The limit and a piece; and one in the hands of each reader.
        assert len(made) - taken <= 10 + 1 + 3
        time.sleep(0.0002)
    assert taken == len(made) == 400 + 2 * 29


def test_a_waiting_reader_keeps_no_pictures() -> None:
    prepared = []

    class Pictures(Pieces):
        def read(self, clip: Clip, root: Path) -> Generator[Any, None, Recording]:
            yield np.zeros(10)
            return Recording(1, 1.0, "")

    class Encoder:
        def prepare(self, pictures: NDArray[Any]) -> EncoderInput:
            prepared.append(weakref.ref(pictures))
            return EncoderInput(pictures.copy(), np.empty(0))

    events = read_clip(CLIPS[0], Path(), Pictures(), {0: Encoder()})  # type: ignore[dict-item]
    next(events)
    assert prepared[0]() is None
    events.close()


def test_closing_ends_the_threads_and_the_reading() -> None:
    before = threading.active_count()
    source = Pieces(pieces=100)
    events = read_ahead(
        CLIPS,
        lambda clip: read_clip(clip, Path(), source, {0: Refusing()}),  # type: ignore[dict-item]
        AHEAD,
        limit=100,
    )
    next(events)
    assert threading.active_count() > before
    start = time.monotonic()
    events.close()
    assert time.monotonic() - start < 5
    assert threading.active_count() == before
    assert CLIPS[0].clip_id in source.closed
    assert len(source.closed) <= AHEAD + 1


@pytest.mark.parametrize("broken", [0, 7])
def test_a_bug_in_the_background_is_raised_in_the_foreground_with_the_clips_name(broken: int) -> None:
    def read(clip: Clip) -> Generator[Event, None, None]:
        yield piece(clip)
        if clip == CLIPS[broken]:
            raise ZeroDivisionError(clip.clip_id)
        yield ClipEnd(clip)

    before, events = threading.active_count(), []
    with pytest.raises(ZeroDivisionError, match=f"{broken:03d}") as caught:
        events.extend(read_ahead(CLIPS, read, AHEAD, readers=4))
    assert caught.value.__notes__ == [f"while reading {broken:03d}.wav"]
    assert threading.active_count() == before


def test_what_came_before_a_bug_is_yielded() -> None:
    def read(clip: Clip) -> Generator[Event, None, None]:
        if clip == CLIPS[7]:
            raise ZeroDivisionError
        yield ClipEnd(clip)

    events = read_ahead(CLIPS, read, AHEAD)
    assert [next(events).clip for _ in range(7)] == CLIPS[:7]
    with pytest.raises(ZeroDivisionError):
        next(events)


def test_every_piece_is_read_once_and_prepared_for_everyone() -> None:
    source = Pieces()
    events = list(read_clip(CLIPS[0], Path(), source, {0: Refusing(), 3: Refusing(2)}))  # type: ignore[dict-item]
    assert pieces_for(events, 0) == [0, 1, 2]
    assert pieces_for(events, 3) == [0, 1]
    (end,) = ends(events)
    assert end.recording == Recording(3, 1.0, "digest")
    assert end.reasons == {3: "000.wav: too long: 2"}


def test_nothing_more_is_read_where_nobody_takes_it() -> None:
    events = list(read_clip(CLIPS[0], Path(), Pieces(pieces=10**9), {0: Refusing(2)}))  # type: ignore[dict-item]
    assert ends(events)[0].recording is None
    assert len(events) <= 4


@pytest.mark.parametrize("error", [MediaError("cut off"), ClipError("cut off")])
def test_a_clip_that_breaks_midway_failed_for_all(error: Exception) -> None:
    events = list(read_clip(CLIPS[0], Path(), Pieces(error=error), {0: Refusing(), 1: Refusing(1)}))  # type: ignore[dict-item]
    (end,) = ends(events)
    assert end.recording is None
    assert end.reasons == {0: "000.wav: cut off", 1: "000.wav: too long: 1"}


def test_a_read_clip_knows_its_samples(corpus: Any) -> None:
    clip = corpus.manifest.clips[0]
    piece, end = read_clip(clip, corpus.root, WaveformSource(), {0: LogMelEncoder()})
    assert isinstance(piece, PreparedPiece)
    assert isinstance(end, ClipEnd)
    assert end.recording is not None
    assert (end.recording.n_samples, end.recording.rate_hz) == (len(piece.prepared[0].values), 16_000.0)
    assert (len(end.recording.input_sha256), end.reasons) == (64, {})


@pytest.mark.parametrize("data", [b"", b"hello", None])
def test_what_is_wrong_is_a_reason_without_the_machines_paths(tmp_path: Path, data: bytes | None) -> None:
    clip = Clip("x", "x", "c:1", "", "sad", "deep/x.wav")
    (tmp_path / "deep").mkdir()
    if data is not None:
        (tmp_path / "deep/x.wav").write_bytes(data)
    (end,) = read_clip(clip, tmp_path, WaveformSource(), {0: LogMelEncoder()})
    assert isinstance(end, ClipEnd)
    assert end.recording is None
    assert end.reasons[0].startswith("deep/x.wav ")
    assert str(tmp_path) not in end.reasons[0]


def test_a_clip_that_is_not_at_hand_says_so() -> None:
    (end,) = read_clip(CLIPS[0], None, WaveformSource(), {0: LogMelEncoder()})
    assert isinstance(end, ClipEnd)
    assert "not among the data given now" in end.reasons[0]


def test_what_is_read_in_the_background_starts_no_threads_of_its_own() -> None:
    before, seen = torch.get_num_threads(), set[int]()

    def read(clip: Clip) -> Generator[Event, None, None]:
        seen.add(torch.get_num_threads())
        yield ClipEnd(clip)

    torch.set_num_threads(2)
    try:
        assert len(list(read_ahead(CLIPS[:9], read, AHEAD))) == 9
        assert (seen, torch.get_num_threads()) == ({1}, 2)
    finally:
        torch.set_num_threads(before)
