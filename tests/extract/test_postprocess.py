"""What follows the encoder."""

import threading
from functools import partial

import numpy as np
import pytest

from ravfeat.cache.format import StoreRecipe, features_sha256
from ravfeat.encoders.base import EncoderInput, FinishedBatch
from ravfeat.extract.batch_plan import BatchLimits
from ravfeat.extract.postprocess import EncodedBatch, PostprocessPool, StoredBatch, store_batch
from ravfeat.manifest import Clip

A, B = (Clip(name, name, "c:1", "", "sad", f"{name}.wav") for name in "ab")
NOTHING = StoredBatch({}, {}, 0.0)


def piece(n_frames: int, start: int = 0) -> EncoderInput:
    return EncoderInput(np.zeros(n_frames), (np.arange(n_frames) + start) / 50)


def states(n_frames: int, value: float = 1.0) -> np.ndarray:
    return np.full((n_frames, 2, 3), value, np.float32)


def test_clips_in_several_pieces_and_batches_are_put_together_in_order() -> None:
    first = [(A, piece(2)), (B, piece(1))], FinishedBatch([states(2), states(1)], 0.5)
    second = [(A, piece(3, 2))], FinishedBatch([states(3, 2.0)], 0.25)
    given = store_batch(EncodedBatch([A, B], [(B, piece(0))], [first, second]), StoreRecipe(), "audio")
    assert given.stored["a"].block[0, :, 0].tolist() == [1, 1, 2, 2, 2]
    assert given.stored["b"].block.shape == (2, 1, 3)
    assert given.stored["a"].sha256 == features_sha256(given.stored["a"].block)
    assert (given.reasons, given.busy_s) == ({}, 0.75)


@pytest.mark.parametrize(
    ("spoilt", "reason"),
    [
        (np.nan, r"a.wav: the encoder gave NaN or infinite values in layers \[0, 1\]"),
        (1e5, r"a.wav: values up to 1e\+05 in layers \[0, 1\] do not fit into float16"),
    ],
)
def test_a_clip_that_cannot_be_stored_does_not_cost_the_others(spoilt, reason) -> None:
    batch = EncodedBatch(
        [A, B], [], [([(A, piece(2)), (B, piece(1))], FinishedBatch([states(2, spoilt), states(1)], 0.0))]
    )
    given = store_batch(batch, StoreRecipe(), "audio")
    assert list(given.stored) == ["b"]
    with pytest.raises(ValueError, match=reason):
        raise ValueError(given.reasons["a"])


def test_a_clip_without_frames_fails() -> None:
    given = store_batch(EncodedBatch([A], [(A, piece(0))], []), StoreRecipe(), "audio")
    assert given.reasons == {"a": "a.wav: the encoder gave no frame"}


def test_results_are_taken_in_order_and_the_foreground_waits_where_too_much_is_behind() -> None:
    taken: list[int] = []
    gate = threading.Event()

    def work(number: int) -> StoredBatch:
        if number == 0:
            gate.wait(10)
        return NOTHING

    with PostprocessPool() as behind:
        for number in range(3):
            behind.submit(partial(work, number), lambda _, number=number: taken.append(number))
        behind.collect(wait=False)
        assert taken == []  # the first is not through, whatever the others are
        threading.Timer(0.05, gate.set).start()
        behind.submit(partial(work, 3), lambda _: taken.append(3))
        assert taken[0] == 0
        behind.collect(wait=True)
    assert taken == [0, 1, 2, 3]


def test_what_goes_wrong_behind_is_raised_in_the_foreground() -> None:
    def broken() -> StoredBatch:
        raise RuntimeError("a bug of ours")

    with PostprocessPool() as behind:
        behind.submit(broken, lambda _: None)
        with pytest.raises(RuntimeError, match="a bug of ours"):
            behind.collect(wait=True)


def test_a_gpu_takes_more_at_once_unless_asked_otherwise() -> None:
    given = {"clips": None, "seconds": None, "frames": 64}
    assert BatchLimits.of("cpu", **given) == BatchLimits(8, 32.0, 64)
    assert BatchLimits.of("cuda:1", **given) == BatchLimits(32, 96.0, 64, across_shards=True)
    assert BatchLimits.of("cuda", clips=4, seconds=10.0, frames=64) == BatchLimits(4, 10.0, 64, across_shards=True)
