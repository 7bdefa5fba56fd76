import numpy as np
import pytest

from ravfeat.features.statistics import clip_statistics
from ravfeat.heads.base import Job
from ravfeat.heads.block_kernel import BlockKernelHead, block_distances, centres_of
from ravfeat.heads.gram import Scaler


def viewed(problem):
    """The problem's training rows, of which the second half are views of the first."""
    half = len(problem.train) // 2
    clips = np.concatenate([problem.train[:half], problem.train[:half]])
    return Job(problem.train[: 2 * half], problem.val, 0, clips)


def test_every_block_weighs_the_same(problem):
    head = BlockKernelHead()
    statistics = clip_statistics(problem.features, head.statistics)
    rows = problem.train
    distances = block_distances(statistics, Scaler.of(statistics, rows), rows, rows)
    z = (statistics[rows] - statistics[rows].mean(0)) / statistics[rows].std(0)
    expected = np.zeros_like(distances)
    for layer in range(z.shape[1]):
        for statistic in range(z.shape[2]):
            block = z[:, layer, statistic]
            squared = np.square(block[:, None] - block[None]).sum(-1)
            expected += squared / squared.mean() / (z.shape[1] * z.shape[2])
    np.testing.assert_allclose(distances, expected, rtol=0.02, atol=2e-3)
    assert distances.mean() == pytest.approx(1, abs=1e-3)


def test_all_layers_but_the_first_count_together(problem):
    head = BlockKernelHead(gammas=(0.5,), alphas=(0.1,))
    sweep = head.sweep(problem.features, problem.y, problem.n_classes, [problem.job()])[0]
    assert [choice["layers"] for choice in sweep.candidates] == [list(problem.features.layers[1:])]
    asked = BlockKernelHead(layers=(0,), gammas=(0.5,), alphas=(0.1,))
    sweep = asked.sweep(problem.features, problem.y, problem.n_classes, [problem.job()])[0]
    assert [choice["layers"] for choice in sweep.candidates] == [[0]]


@pytest.mark.parametrize("views", [False, True])
def test_a_fitted_model_says_what_the_sweep_said(problem, views):
    head, job = BlockKernelHead(), viewed(problem) if views else problem.job()
    sweep = head.sweep(problem.features, problem.y, problem.n_classes, [job])[0]
    for number, choice in enumerate(sweep.candidates):
        model = head.fit(problem.features, problem.y, problem.n_classes, [job], [choice])[0]
        logits = model.logits(problem.features, job.val)
        np.testing.assert_allclose(logits, sweep.logits[number], atol=0.02 * np.abs(logits).max())


def test_views_train_and_clean_rows_are_the_centres(problem):
    head, job = BlockKernelHead(), viewed(problem)
    choice = {"layers": [1], "gamma": 0.5, "alpha": 0.1}
    model = head.fit(problem.features, problem.y, problem.n_classes, [job], [choice])[0]
    assert len(model.arrays()["rows"]) == len(centres_of(job)) == len(job.train) // 2
    alone = head.fit(problem.features, problem.y, problem.n_classes, [Job(centres_of(job), job.val)], [choice])[0]
    assert not np.allclose(alone.logits(problem.features, job.val), model.logits(problem.features, job.val), atol=1e-3)


@pytest.mark.parametrize("views", [False, True])
def test_a_restored_model_gives_the_same_bits(problem, views):
    head, job = BlockKernelHead(), viewed(problem) if views else problem.job()
    choice = {"layers": [1, 2], "gamma": 0.25, "alpha": 0.3}
    model = head.fit(problem.features, problem.y, problem.n_classes, [job], [choice])[0]
    assert head.array_kinds(model.recipe).keys() == model.arrays().keys()
    again = head.restore(model.arrays(), model.recipe)
    assert np.array_equal(again.logits(problem.features, problem.test), model.logits(problem.features, problem.test))
