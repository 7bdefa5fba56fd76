"""Several devices: which of them gets a batch, and what is recorded of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from ravfeat.encoders.base import EncoderInput, FinishedBatch, n_devices, start_encoding
from ravfeat.encoders.logmel import LogMelEncoder
from ravfeat.encoders.registry import load_encoder
from ravfeat.encoders.replicas import ReplicatedEncoder
from ravfeat.errors import UsageError
from ravfeat.extract import run_extraction


@dataclass
class Card(LogMelEncoder):
    """Log-mel that queues its batches, on a device with a name and a kind."""

    device: str
    kind: str = "A"
    holds: int = 1 << 40
    refused: int = 0
    started: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def start(self, batch: Sequence[EncoderInput]) -> FinishedBatch:
        if len(batch) > self.holds:
            self.refused += 1
            raise MemoryError("too much at once")
        self.started.append(len(batch))
        return FinishedBatch(self.encode(batch), 1.0)

    def provenance(self) -> dict[str, Any]:
        return {"device": self.device, "gpu": self.kind, "tf32": False}


def pair(**changes: Any) -> tuple[Card, Card]:
    return Card("cuda:0"), Card("cuda:1", **changes)


@pytest.fixture
def batch(noise):
    return [LogMelEncoder().prepare(noise(4_000))]


def test_a_batch_goes_to_the_device_with_the_least_work_queued(batch) -> None:
    cards = pair()
    encoder = ReplicatedEncoder(cards)
    long = start_encoding(encoder, batch * 3)
    handles = [start_encoding(encoder, batch) for _ in range(3)]  # all fit beside the long one
    assert [card.started for card in cards] == [[3], [1, 1, 1]]
    long.states()
    start_encoding(encoder, batch)
    assert cards[0].started == [3, 1]
    for handle in handles:
        handle.states()
    start_encoding(encoder, batch)
    assert cards[1].started == [1, 1, 1, 1]


def test_states_are_those_of_one_encoder_and_two_busy_devices_are_busy_once(batch) -> None:
    encoder = ReplicatedEncoder(pair())
    encoding = start_encoding(encoder, batch)
    np.testing.assert_array_equal(encoding.states()[0], LogMelEncoder().encode(batch)[0])
    assert encoding.busy_s == 0.5
    assert (n_devices(encoder), n_devices(LogMelEncoder())) == (2, 1)


def test_what_one_device_has_no_memory_for_goes_to_the_other_and_is_not_tried_there_again(batch) -> None:
    cards = pair(holds=1)
    encoder = ReplicatedEncoder(cards)
    for clips in (batch, batch * 2, batch * 2, batch):
        start_encoding(encoder, clips)
    assert [card.started for card in cards] == [[1, 2, 2], [1]]
    assert cards[1].refused == 1


def test_what_fits_on_no_device_is_a_lack_of_memory_and_smaller_batches_go_on(batch) -> None:
    cards = Card("cuda:0", holds=1), Card("cuda:1", holds=1)
    encoder = ReplicatedEncoder(cards)
    for _ in range(2):
        with pytest.raises(MemoryError, match="too much at once"):
            start_encoding(encoder, batch * 2)
    for _ in range(3):
        start_encoding(encoder, batch)
    assert [card.started for card in cards] == [[1, 1], [1]]


def test_equal_cards_are_recorded_as_the_first_of_them_and_others_by_kind() -> None:
    assert ReplicatedEncoder(pair()).provenance() == {"device": "cuda:0", "gpu": "A", "tf32": False}
    mixed = ReplicatedEncoder(pair(kind="B")).provenance()
    assert mixed == {"device": "cuda:0, cuda:1", "gpu": "A, B", "tf32": False}


@pytest.mark.usefixtures("small_shards")
def test_several_devices_fill_the_cache_of_one_with_the_same_bytes(corpus, tmp_path, contents) -> None:
    alone = run_extraction(corpus.extraction(encoder=Card("cuda:0")), tmp_path / "alone")
    cards = [Card(f"cuda:{number}") for number in range(3)]
    together = run_extraction(corpus.extraction(encoder=ReplicatedEncoder(cards)), tmp_path / "together")
    assert contents(together.path) == contents(alone.path)
    assert sum(sum(card.started) for card in cards) == len(corpus.manifest)


@pytest.mark.parametrize("holds", [0, 1])
def test_one_device_short_of_memory_loses_no_clip(holds, corpus, tmp_path) -> None:
    cards = pair(holds=holds)
    result = run_extraction(corpus.extraction(encoder=ReplicatedEncoder(cards)), tmp_path)
    assert (result.encoded, result.failed) == (len(corpus.manifest), {})
    assert cards[0].started


def test_a_list_is_checked_before_anything_is_loaded() -> None:
    with pytest.raises(UsageError, match="a list names CUDA devices by number, each once"):
        load_encoder("logmel", "cuda:0,cuda:0")
