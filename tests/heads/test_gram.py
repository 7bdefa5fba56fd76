import numpy as np
import pytest

from ravfeat.heads.base import Job
from ravfeat.heads.gram import Scaler, layer_products


@pytest.fixture
def statistics():
    rng = np.random.default_rng(0)
    return rng.normal(2, 3, size=(200, 1, 2, 12)).astype(np.float32)  # blocks of 10 and 2 dimensions


def test_joined_blocks_weigh_the_same_however_wide_they_are(statistics):
    rows = np.arange(150)
    z = Scaler.of(statistics, rows, (10, 2)).rows(statistics, rows, 0).reshape(150, 2, 12)
    wide, narrow = (np.square(part).sum((1, 2)).mean() for part in (z[..., :10], z[..., 10:]))
    assert wide == pytest.approx(narrow, rel=1e-4)
    assert wide + narrow == pytest.approx(24, rel=1e-4)  # as much as without blocks, so that one grid of C serves both


def test_products_of_a_join_are_the_mean_of_the_products_of_its_blocks(statistics):
    job = Job(np.arange(150), np.arange(150, 200))
    joined = layer_products(statistics, job, (10, 2))
    parts = [layer_products(statistics[..., own], job) for own in (slice(0, 10), slice(10, 12))]
    for name in ("train", "val", "val_squares"):
        expected = np.mean([getattr(part, name) for part in parts], axis=0)
        np.testing.assert_allclose(getattr(joined, name), expected, rtol=1e-4, atol=1e-4)


def test_one_block_and_no_block_are_the_same(statistics):
    rows = np.arange(150)
    one, none = Scaler.of(statistics, rows, (12,)), Scaler.of(statistics, rows)
    np.testing.assert_array_equal(one.std, none.std)
