"""Batches: planned from lengths alone."""

import itertools
import math
import random

import pytest

from ravfeat.encoders.base import plan_batches

LENGTHS = [random.Random(0).choice([1.0, 2.0, 3.5, 7.0, 40.0]) for _ in range(60)]


@pytest.mark.parametrize("batching", ["padded", "equal", "fixed"])
def test_every_clip_is_in_exactly_one_batch(batching) -> None:
    batches = plan_batches([*LENGTHS, math.nan, math.nan], batching, max_clips=8, max_seconds=32)
    assert sorted(itertools.chain(*batches)) == list(range(62))
    assert max(map(len, batches)) <= 8


@pytest.mark.parametrize("batching", ["padded", "equal"])
def test_a_batch_with_its_padding_stays_below_the_limit_unless_it_is_one_clip(batching) -> None:
    for batch in plan_batches(LENGTHS, batching, max_clips=8, max_seconds=12):
        assert len(batch) == 1 or len(batch) * max(LENGTHS[i] for i in batch) <= 12


def test_padded_batches_hold_neighbours_in_length_and_the_longest_come_first() -> None:
    batches = plan_batches(LENGTHS, "padded", max_clips=8, max_seconds=1000)
    in_order = [LENGTHS[i] for batch in batches for i in batch]
    assert in_order == sorted(LENGTHS, reverse=True)


def test_equal_batches_hold_one_length_only() -> None:
    batches = plan_batches(LENGTHS, "equal", max_clips=8, max_seconds=1000)
    assert all(len({LENGTHS[i] for i in batch}) == 1 for batch in batches)
    assert any(len(batch) > 1 for batch in batches)


def test_clips_of_unknown_length_go_alone_where_length_matters() -> None:
    batches = plan_batches([1.0, math.nan, 1.0, math.nan], "padded", max_clips=8, max_seconds=100)
    assert sorted(map(sorted, batches)) == [[0, 2], [1], [3]]
