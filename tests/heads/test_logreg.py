import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from ravfeat.heads.gram import Scaler, layer_products
from ravfeat.heads.logreg import LogregHead
from ravfeat.heads.registry import restore
from ravfeat.heads.softmax_regression import Coordinates, regularization_path
from ravfeat.heads.statistics import clip_statistics


@pytest.mark.parametrize("strength", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("layers", [[2], [0, 1, 2, 3]])
def test_the_solution_equals_scikit_learn_on_the_wide_matrix(problem, strength, layers):
    head, job = LogregHead(), problem.job()
    choice = {"layers": layers, "C": strength}
    model = head.fit(problem.features, problem.y, problem.n_classes, [job], [choice])[0]

    statistics = clip_statistics(problem.features, ("mean", "std"), layers=layers)
    scaler = Scaler.of(statistics, job.train)
    train, test = (
        np.hstack([scaler.rows(statistics, rows, layer) for layer in range(len(layers))]).astype(np.float64)
        for rows in (job.train, problem.test)
    )
    scale = np.sqrt(train.shape[1])
    oracle = LogisticRegression(C=strength, class_weight="balanced", tol=1e-8, max_iter=5000)
    oracle.fit(train / scale, problem.y[job.train])
    np.testing.assert_allclose(
        model.logits(problem.features, problem.test), oracle.decision_function(test / scale), atol=0.02
    )


def test_more_dimensions_than_rows_lose_nothing_in_the_row_space():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 200))
    coordinates = Coordinates.of(x @ x.T)
    assert coordinates.train.shape[1] <= 30
    np.testing.assert_allclose(coordinates.train @ coordinates.train.T, x @ x.T, atol=1e-6)
    np.testing.assert_allclose(x @ x.T @ coordinates.basis, coordinates.train, atol=1e-6)


def test_the_path_does_not_depend_on_where_it_starts():
    rng = np.random.default_rng(1)
    train, y = rng.normal(size=(60, 5)), rng.integers(0, 3, 60)
    *_, warm = regularization_path(train, y, 3, (0.1, 1.0, 10.0))
    *_, cold = regularization_path(train, y, 3, (10.0,))
    np.testing.assert_allclose(warm[0], cold[0], atol=5e-3)


def test_distances_over_a_set_of_layers_are_those_of_the_concatenated_statistics(problem):
    statistics = clip_statistics(problem.features, ("mean", "std"))
    job = problem.job()
    products = layer_products(statistics, job)
    scaler = Scaler.of(statistics, job.train)
    a, b = (np.hstack([scaler.rows(statistics, rows, layer) for layer in (1, 3)]) for rows in (job.train, job.val))
    oracle = np.square(b[:, None] - a[None]).sum(-1) / 24
    np.testing.assert_allclose(products.distances([1, 3])[1], oracle, rtol=1e-3, atol=1e-3)


def test_candidates_are_every_layer_all_and_all_but_the_input(problem):
    sweep = LogregHead(grid=(1.0,)).sweep(problem.features, problem.y, problem.n_classes, [problem.job()])[0]
    assert [c["layers"] for c in sweep.candidates] == [[0], [1], [2], [3], [0, 1, 2, 3], [1, 2, 3]]


def test_the_informative_layer_is_chosen(make_problem):
    problem = make_problem(strength=0.8)
    head, job = LogregHead(), problem.job()
    sweeps = head.sweep(problem.features, problem.y, problem.n_classes, [job])
    chosen = sweeps[0].candidates[head.choose(sweeps, [problem.y[job.val]])]
    assert problem.informative in chosen["layers"]


def test_statistics_can_be_named_and_are_what_the_model_reads_again(problem):
    head, job = LogregHead(statistics=("mean", "speed")), problem.job()
    assert head.reading.statistics == ("mean", "speed")
    model = head.fit(problem.features, problem.y, problem.n_classes, [job], [{"layers": [2], "C": 1.0}])[0]
    assert model.recipe["settings"]["statistics"] == ["mean", "speed"]
    again = restore(model.arrays(), model.recipe)
    expected = model.logits(problem.features, problem.test)
    np.testing.assert_array_equal(again.logits(problem.features, problem.test), expected)
    other = head.fit(problem.features, problem.y, problem.n_classes, [job], [{"layers": [2], "C": 1.0}])[0]
    speed = clip_statistics(problem.features, ("speed",), layers=[2])
    np.testing.assert_allclose(other.scaler.mean[0, 1], speed[job.train, 0, 0].mean(0), rtol=1e-5)


@pytest.mark.parametrize("std", [True, False])
def test_a_model_saved_before_statistics_were_a_setting_still_restores(std, problem):
    head, job = LogregHead(std=std), problem.job()
    model = head.fit(problem.features, problem.y, problem.n_classes, [job], [{"layers": [2], "C": 1.0}])[0]
    old = dict(model.recipe, settings={k: v for k, v in model.recipe["settings"].items() if k != "statistics"})
    again = restore(model.arrays(), old)
    expected = model.logits(problem.features, problem.test)
    np.testing.assert_array_equal(again.logits(problem.features, problem.test), expected)
