"""Discriminants from inner products against scikit-learn's, which has the whole covariance."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from ravfeat.features.statistics import clip_statistics
from ravfeat.heads.gram import Scaler
from ravfeat.heads.lda import LdaHead, discriminants
from ravfeat.heads.row_products import TallProducts


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 60)
    return {n: (rng.normal(size=(60, n)) + y[:, None] * rng.normal(size=n), y) for n in (8, 200)}


@pytest.mark.parametrize("tall", [False, True])
@pytest.mark.parametrize("width", [8, 200])
def test_every_shrinkage_equals_scikit_learn_with_few_statistics_and_with_many(rows, width, tall):
    x, y = rows[width]
    products = TallProducts(x) if tall else x @ x.T
    grid = (0.05, 0.5, 0.95)
    for shrinkage, (dual, intercept) in zip(grid, discriminants(products, y, 3, grid, width), strict=True):
        oracle = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage, priors=[1 / 3] * 3).fit(x, y)
        expected = oracle.decision_function(x[:20])
        expected -= expected.mean(1, keepdims=True)
        atol = 1e-6 if tall else 1e-3 * np.abs(expected).max()  # the matrix of products is in single precision
        np.testing.assert_allclose(x[:20] @ x.T @ dual + intercept, expected, atol=atol)


def test_products_may_have_any_scale(rows):
    x, y = rows[200]
    plain, scaled = (next(discriminants(x @ x.T * scale, y, 3, (0.3,), 200)) for scale in (1, 1 / 200))
    np.testing.assert_allclose(plain[0], scaled[0] / 200, atol=1e-4 * np.abs(plain[0]).max())


def test_rows_that_are_all_alike_give_no_number_that_is_not_finite():
    dual, intercept = next(discriminants(np.ones((4, 4)), np.array([0, 0, 1, 1]), 2, (0.5,), 3))
    assert np.isfinite(dual).all()
    assert np.isfinite(intercept).all()


def test_a_model_of_all_layers_scores_as_scikit_learn_does(problem):
    head, job = LdaHead(), problem.job()
    choice = {"layers": [0, 1, 2, 3], "shrinkage": 0.3}
    model = head.fit(problem.features, problem.y, problem.n_classes, [job], [choice])[0]
    statistics = clip_statistics(problem.features, ("mean", "std"))
    scaler = Scaler.of(statistics, job.train)
    train, test = (scaler.wide_rows(statistics, of).astype(np.float64) for of in (job.train, problem.test))
    oracle = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3, priors=[1 / 3] * 3)
    expected = oracle.fit(train, problem.y[job.train]).decision_function(test)
    logits = model.logits(problem.features, problem.test)
    np.testing.assert_allclose(logits, expected - expected.mean(1, keepdims=True), atol=1e-2)
