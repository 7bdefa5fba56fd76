"""Reading ahead."""

import threading
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ravfeat.encoders.base import EncoderInput
from ravfeat.encoders.logmel import LogMelEncoder
from ravfeat.errors import ClipError, MediaError
from ravfeat.extract import decode as module
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
    ahead: int = AHEAD
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


def test_events_come_clip_after_clip_however_long_each_takes() -> None:
    def read(clip: Clip) -> Generator[Event, None, None]:
        for _ in range(7):
            time.sleep(0.0005 if int(clip.clip_id) % 3 else 0.002)
            yield PreparedPiece(clip, {})
        yield ClipEnd(clip)

    events = list(read_ahead(CLIPS[:20], read, AHEAD))
    assert [event.clip for event in events] == [clip for clip in CLIPS[:20] for _ in range(8)]
    assert [event.clip for event in ends(events)] == CLIPS[:20]


def test_no_more_clips_and_pieces_wait_than_memory_should_hold() -> None:
    started, made, given = [], [], 0

    def read(clip: Clip) -> Generator[Event, None, None]:
        started.append(clip)
        for _ in range(40):
            made.append(clip)
            yield PreparedPiece(clip, {})
        yield ClipEnd(clip)

    for number, event in enumerate(read_ahead(CLIPS[:30], read, AHEAD)):
        given += isinstance(event, ClipEnd)
        assert len(started) - given <= AHEAD + 1
        # Two workers, each with a queue and a piece in its hands; and the one that is given just now.
        assert len(made) - (number - given) <= 2 * (module._PIECES + 1) + 2
        time.sleep(0.0002)


def test_closing_ends_the_threads_and_the_reading() -> None:
    before = threading.active_count()
    source = Pieces(pieces=100)
    events = read_ahead(CLIPS, lambda clip: read_clip(clip, Path(), source, {0: Refusing()}), AHEAD)  # type: ignore[dict-item]
    next(events)
    assert threading.active_count() > before
    events.close()
    assert threading.active_count() == before
    assert CLIPS[0].clip_id in source.closed


def test_a_bug_in_the_background_is_raised_in_the_foreground() -> None:
    def read(clip: Clip) -> Generator[Event, None, None]:
        yield PreparedPiece(clip, {})
        raise ZeroDivisionError(clip.clip_id)

    with pytest.raises(ZeroDivisionError, match="000"):
        list(read_ahead(CLIPS, read, AHEAD))


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
