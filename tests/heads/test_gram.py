import tracemalloc

import numpy as np
import pytest

from ravfeat.features.statistics import clip_statistics
from ravfeat.heads.base import Job
from ravfeat.heads.gram import Scaler, set_products


@pytest.fixture
def statistics():
    rng = np.random.default_rng(0)
    return rng.normal(2, 3, size=(200, 1, 2, 12)).astype(np.float32)  # blocks of 10 and 2 dimensions


def products_of(statistics, job, sets, blocks=()):
    return dict(set_products(statistics, job, sets, blocks))


def test_joined_blocks_weigh_the_same_however_wide_they_are(statistics):
    rows = np.arange(150)
    z = Scaler.of(statistics, rows, (10, 2)).rows(statistics, rows, 0).reshape(150, 2, 12)
    wide, narrow = (np.square(part).sum((1, 2)).mean() for part in (z[..., :10], z[..., 10:]))
    assert wide == pytest.approx(narrow, rel=1e-4)
    assert wide + narrow == pytest.approx(24, rel=1e-4)  # as much as without blocks, so that one grid of C serves both


def test_products_of_a_join_are_the_mean_of_the_products_of_its_blocks(statistics):
    job = Job(np.arange(150), np.arange(150, 200))
    joined = products_of(statistics, job, [[0]], (10, 2))[0]
    parts = [products_of(statistics[..., own], job, [[0]])[0] for own in (slice(0, 10), slice(10, 12))]
    for name in ("train", "val", "val_squares"):
        expected = np.mean([getattr(part, name) for part in parts], axis=0)
        np.testing.assert_allclose(getattr(joined, name), expected, rtol=1e-4, atol=1e-4)


def test_one_block_and_no_block_are_the_same(statistics):
    rows = np.arange(150)
    one, none = Scaler.of(statistics, rows, (12,)), Scaler.of(statistics, rows)
    np.testing.assert_array_equal(one.std, none.std)


def test_products_of_a_set_are_the_mean_of_the_products_of_its_layers(problem):
    statistics, job = clip_statistics(problem.features, ("mean", "std")), problem.job()
    sets = [[3], [0, 1, 2, 3], [1], [1, 3], [3, 3, 1]]
    products = products_of(statistics, job, sets)
    alone = products_of(statistics, job, [[0], [1], [2], [3]])
    for number, positions in enumerate(sets):
        for name in ("train", "val", "val_squares"):
            expected = np.mean([getattr(alone[position], name) for position in positions], axis=0)
            np.testing.assert_allclose(getattr(products[number], name), expected, rtol=1e-4, atol=1e-5)


def test_a_set_is_given_when_its_last_layer_is_done_and_only_layers_of_sets_are_multiplied(problem):
    statistics = clip_statistics(problem.features, ("mean", "std"))
    statistics[:, 2] = np.nan  # would warn, and warnings are errors
    order = [number for number, _ in set_products(statistics, problem.job(), [[3], [0, 1], [0], [1]])]
    assert order == [2, 1, 3, 0]


def test_distances_over_a_set_of_layers_are_those_of_the_concatenated_statistics(problem):
    statistics, job = clip_statistics(problem.features, ("mean", "std")), problem.job()
    products = products_of(statistics, job, [[1, 3]])[0]
    scaler = Scaler.of(statistics, job.train)
    a, b = (np.hstack([scaler.rows(statistics, rows, layer) for layer in (1, 3)]) for rows in (job.train, job.val))
    oracle = np.square(b[:, None] - a[None]).sum(-1) / 48
    np.testing.assert_allclose(products.distances()[1], oracle, rtol=1e-3, atol=1e-3)


def test_a_job_without_rows_to_score_has_products_of_its_training_rows(problem):
    statistics = clip_statistics(problem.features, ("mean", "std"))
    products = products_of(statistics, Job(problem.train, problem.val[:0]), [[0, 1]])[0]
    assert products.train.shape == (len(problem.train),) * 2
    assert products.val.shape == (0, len(problem.train))


def test_memory_holds_sums_and_one_layer_however_many_layers_there_are():
    rng = np.random.default_rng(0)
    statistics = rng.normal(size=(250, 30, 1, 4)).astype(np.float32)
    job = Job(np.arange(200), np.arange(200, 250))
    tracemalloc.start()
    try:
        for _ in set_products(statistics, job, [*([layer] for layer in range(30)), range(30)]):
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * 200 * 200 * 4  # 30 layers are 30 matrices of this size
