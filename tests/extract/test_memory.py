"""What happens where a batch does not fit into memory."""

import gc
import logging
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from ravfeat.encoders.base import EncoderInput, EncoderSpec
from ravfeat.errors import ClipError
from ravfeat.extract.memory import BatchStarter
from ravfeat.manifest import Clip

Pieces = list[tuple[Clip, EncoderInput]]


class Room(np.ndarray):  # type: ignore[type-arg]
    """Memory that can be watched."""


class Small:
    """Fits ``room`` frames at once, padding included."""

    spec = EncoderSpec("small", "audio", "none", "c/1", (), 1, 2, 50.0)
    batching = "padded"

    def __init__(self, room: int, refused: Sequence[int] = ()) -> None:
        self.room, self.refused = room, refused
        self.tried: list[list[int]] = []
        self.left: list[weakref.ref[Any]] = []

    def encode(self, batch: Sequence[EncoderInput]) -> list[Any]:
        self.tried.append([piece.n_frames for piece in batch])
        assert not any(taken() is not None for taken in self.left), "memory of a failed batch is still in use"
        room = np.zeros(10).view(Room)
        if len(batch) * max(piece.n_frames for piece in batch) > self.room:
            self.left.append(weakref.ref(room))
            try:
                raise RuntimeError("CUDA out of memory")
            except RuntimeError as error:
                raise MemoryError("no room") from error
        if any(piece.n_frames in self.refused for piece in batch):
            raise ClipError("is refused")
        return [np.full((piece.n_frames, 1, 2), piece.n_frames, np.float32) for piece in batch]


def pieces(*lengths: int) -> Pieces:
    return [
        (
            Clip(f"c{number}", f"p{number}", "a", "", "happy", f"c{number}.wav", length / 50),
            EncoderInput(np.zeros(length), np.arange(length) / 50.0),
        )
        for number, length in enumerate(lengths)
    ]


def run(encoder: Small, *batches: Pieces) -> tuple[list[list[int]], dict[str, str]]:
    reasons: dict[str, str] = {}
    starter = BatchStarter(encoder)  # type: ignore[arg-type]

    def fail(clip: Clip, reason: str) -> None:
        reasons.setdefault(clip.clip_id, reason)

    gc.disable()  # what only the collector frees is still in use when the next batch starts
    try:
        results = [starter.start(batch, fail) for batch in batches]
    finally:
        gc.enable()
    for started in results:
        for group, encoding in started:
            for (_, prepared), states in zip(group, encoding.states(), strict=True):
                assert (states == prepared.n_frames).all()
    return [[clip.clip_id for group, _ in started for clip, _ in group] for started in results], reasons


def test_a_batch_is_halved_until_it_fits_and_the_size_is_remembered(caplog: pytest.LogCaptureFixture) -> None:
    encoder = Small(room=250)
    with caplog.at_level(logging.WARNING):
        order, reasons = run(encoder, pieces(*[100] * 8), pieces(*[100] * 8), pieces(*[50] * 8))
    assert order == [[f"c{number}" for number in range(8)]] * 3
    assert not reasons
    # 800 and 400 frames fail, 200 fit; the batches after that do not fail again.
    assert [sum(lengths) for lengths in encoder.tried] == [800, 400, 200, 200, 200, 200, *[200] * 4, 200, 200]
    (record,) = caplog.records
    assert record.getMessage().endswith("--batch-seconds 8 avoids this")


def test_a_clip_that_does_not_fit_alone_fails_and_costs_the_others_nothing() -> None:
    order, reasons = run(Small(room=100), pieces(90, 300, 80, 90))
    assert order == [["c0", "c2", "c3"]]
    assert reasons == {"c1": "c1.wav: no room; split the clip or use a machine with more memory"}


def test_a_clip_that_is_refused_fails_alone() -> None:
    order, reasons = run(Small(room=10_000, refused=[77]), pieces(90, 77, 80))
    assert order == [["c0", "c2"]]
    assert reasons == {"c1": "c1.wav: is refused"}
