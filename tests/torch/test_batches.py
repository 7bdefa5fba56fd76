"""Padded batches, and which clips share one."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ravfeat.errors import UsageError
from ravfeat.torch import CacheItem, LengthBatches, collate

CLIPS = SimpleNamespace(lengths=np.random.default_rng(0).integers(50, 400, 203).tolist())


def test_a_batch_is_padded_and_says_where() -> None:
    items = [CacheItem(torch.full((n, 2, 3), float(n)), n % 2, f"x:{n}", f"clip-{n}") for n in (2, 4, 1)]
    batch = collate(items)
    assert batch.frames.shape == (3, 4, 2, 3)
    assert batch.mask.tolist() == [[True, True, False, False], [True] * 4, [True, False, False, False]]
    assert batch.frames[~batch.mask].abs().sum() == 0
    assert batch.labels.tolist() == [0, 0, 1]
    assert batch.clip_ids == ["clip-2", "clip-4", "clip-1"]
    with pytest.raises(UsageError, match="expected at least one clip, got none"):
        collate([])


def test_every_clip_is_in_one_batch_of_an_epoch() -> None:
    sampler = LengthBatches(CLIPS, 8)
    batches = list(sampler)
    assert len(batches) == len(sampler) == 26
    assert sorted(place for batch in batches for place in batch) == list(range(203))


def test_little_of_a_batch_is_padding() -> None:
    lengths = np.array(CLIPS.lengths)
    padded = sum(lengths[batch].max() * len(batch) for batch in LengthBatches(CLIPS, 8))
    at_random = sum(lengths[start : start + 8].max() * 8 for start in range(0, 203, 8))
    assert padded < 1.1 * lengths.sum() < 1.3 * lengths.sum() < at_random


def test_the_order_follows_from_seed_and_epoch() -> None:
    one, other = LengthBatches(CLIPS, 8, seed=1), LengthBatches(CLIPS, 8, seed=1)
    first, second = list(one), list(one)
    assert first != second
    assert [list(other), list(other)] == [first, second]
    other.set_epoch(1)
    assert list(other) == second
    assert list(LengthBatches(CLIPS, 8, seed=2)) != first
    assert list(LengthBatches(CLIPS, 8, shuffle=False)) == list(LengthBatches(CLIPS, 8, shuffle=False, seed=5))


@pytest.mark.parametrize("size", [0, -1, 2.0, "8", True])
def test_what_is_no_size_is_refused(size) -> None:
    with pytest.raises(UsageError, match=r"batch_size=.*: expected a whole number of at least 1"):
        LengthBatches(CLIPS, size)
