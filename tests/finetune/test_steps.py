"""Rates, windows and draws."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from ravfeat.finetune.steps import draw_of, epoch_batches, rate_factor, window_means
from ravfeat.numerics.pooling import average_frames


def test_rates_rise_to_their_peak_and_fall_to_almost_nothing() -> None:
    factors = [rate_factor(step, 100, 0.1) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == factors[9] == factors[10] == 1.0
    assert factors[-1] == pytest.approx(1 / 90)
    assert all(a > b for a, b in pairwise(factors[10:]))


@pytest.mark.parametrize("window", [1, 4, 16])
def test_windows_are_those_of_stored_frames_whatever_lies_in_the_padding(window) -> None:
    rng = np.random.default_rng(0)
    lengths = [33, 7, 16]
    clips = [rng.normal(size=(n, 3, 5)).astype(np.float32) for n in lengths]
    padded = torch.full((3, 3, 40, 5), torch.nan)
    for row, clip in enumerate(clips):
        padded[:, row, : len(clip)] = torch.from_numpy(clip.transpose(1, 0, 2))
    ours = window_means(padded, lengths, window)
    for row, clip in enumerate(clips):
        theirs, _ = average_frames(clip, np.array([0, len(clip)]), window)
        np.testing.assert_allclose(ours[:, row, : len(theirs)].numpy().transpose(1, 0, 2), theirs, atol=1e-6)
        assert not ours[:, row, len(theirs) :].any()


def test_batches_hold_every_row_once_in_another_order_each_epoch() -> None:
    rows = np.arange(3, 40)
    first, second = (epoch_batches(rows, 8, 0, 1, epoch) for epoch in (0, 1))
    assert [len(batch) for batch in first] == [8, 8, 7, 7, 7]
    assert sorted(np.concatenate(first).tolist()) == rows.tolist()
    assert np.concatenate(first).tolist() != np.concatenate(second).tolist()
    np.testing.assert_array_equal(np.concatenate(first), np.concatenate(epoch_batches(rows, 8, 0, 1, 0)))


def test_draws_are_seeds_of_their_names() -> None:
    draws = {draw_of(what, *numbers) for what in ("order", "view") for numbers in ((0, 1), (1, 0), (0, 1, 0), (0,))}
    assert len(draws) == 8
    assert all(0 <= draw < 2**63 for draw in draws)
