import numpy as np
import pytest
import scipy.linalg
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from ravfeat.heads.checks import balanced_weights
from ravfeat.heads.softmax_regression import regularization_path
from ravfeat.numerics.softmax import log_softmax

GRID = (1.0, 3.0, 10.0, 30.0)


def rows(n, width, n_classes, seed=0):
    """Rows of norm about 1 that say something of their class, and the classes."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % n_classes)
    x = rng.normal(size=(n, width)) + rng.normal(size=(n_classes, width))[y]
    return x / np.sqrt(width), y


def last(x, y, n_classes, grid):
    *_, solution = regularization_path(x @ x.T, y, n_classes, grid)
    return solution


@pytest.mark.parametrize("width", [4, 60, 300])  # fewer dimensions than rows, as many, and more
@pytest.mark.parametrize("n_classes", [2, 5])
def test_every_solution_of_the_path_equals_scikit_learn(width, n_classes):
    x, y = rows(60, width, n_classes)
    new = rows(40, width, n_classes, seed=1)[0]
    for strength, (dual, intercept) in zip(GRID, regularization_path(x @ x.T, y, n_classes, GRID), strict=True):
        # Of two classes scikit-learn penalises the difference, which weighs half of both.
        oracle = LogisticRegression(
            C=strength * (2 if n_classes == 2 else 1), class_weight="balanced", tol=1e-10, max_iter=10000
        ).fit(x, y)
        expected = oracle.decision_function(new) if n_classes > 2 else oracle.predict_log_proba(new)
        said = new @ x.T @ dual + intercept
        if n_classes == 2:
            said = log_softmax(said)
        np.testing.assert_allclose(said, expected, atol=0.01)


def test_the_path_does_not_depend_on_where_it_starts():
    x, y = rows(90, 20, 3)
    warm, cold = last(x, y, 3, GRID), last(x, y, 3, GRID[-1:])
    np.testing.assert_allclose(warm[0], cold[0], atol=5e-3)
    np.testing.assert_allclose(warm[1], cold[1], atol=5e-3)


@pytest.mark.parametrize("grid", [(3.0, 3.0, 30.0), (1.0, 1.001, 30.0), (1.0, 30.0, 30.0)])
def test_a_grid_that_stands_still_or_leaps_leads_to_the_same_solution(grid):
    x, y = rows(90, 20, 3)
    uneven, even = last(x, y, 3, grid), last(x, y, 3, GRID)
    np.testing.assert_allclose(uneven[0], even[0], atol=5e-3)


def test_coefficients_and_intercepts_sum_to_zero():
    x, y = rows(90, 20, 3)
    dual, intercept = last(x, y, 3, GRID)
    np.testing.assert_allclose(dual.sum(0), 0, atol=1e-4)
    np.testing.assert_allclose(dual.sum(1), 0, atol=1e-6)
    assert intercept.sum() == pytest.approx(0, abs=1e-9)


def test_a_class_without_rows_is_all_but_ruled_out_and_changes_nothing_else():
    x, y = rows(80, 30, 4)
    x, y = x[y != 2], y[y != 2]
    dual, intercept = last(x, y, 4, GRID)
    scores = x @ x.T @ dual + intercept
    assert np.exp(log_softmax(scores))[:, 2].max() < 1e-4
    present, without = last(x, np.searchsorted([0, 1, 3], y), 3, GRID)
    expected = log_softmax(x @ x.T @ present + without)
    np.testing.assert_allclose(log_softmax(scores[:, [0, 1, 3]]), expected, atol=0.01)


def test_equal_rows_and_rows_of_nothing_are_no_trouble():
    x, y = rows(60, 8, 3)
    x[:30] = x[0]
    x[40:] = 0
    dual, intercept = last(x, y, 3, (1.0, 100.0))
    oracle = LogisticRegression(C=100.0, class_weight="balanced", tol=1e-10, max_iter=10000).fit(x, y)
    np.testing.assert_allclose(x @ x.T @ dual + intercept, oracle.decision_function(x), atol=0.02)


def test_the_loss_is_as_low_as_in_principal_coordinates():
    x, y = rows(60, 100, 4)
    values, vectors = scipy.linalg.eigh(x @ x.T)
    coordinates = np.hstack([vectors * np.sqrt(np.maximum(values, 0)), np.ones((60, 1))])
    weights, targets = balanced_weights(y, 4)[y].astype(np.float64), np.eye(4)[y]

    def loss(flat):
        w = flat.reshape(-1, 4)
        log_p = log_softmax(coordinates @ w)
        residual = 10 * weights[:, None] * (np.exp(log_p) - targets)
        gradient = coordinates.T @ residual
        gradient[:-1] += w[:-1]
        value = -10 * (weights[:, None] * log_p * targets).sum() + 0.5 * np.square(w[:-1]).sum()
        return value, gradient.ravel()

    least = minimize(loss, np.zeros(61 * 4), jac=True, options={"maxiter": 2000, "gtol": 1e-6}).fun
    dual, intercept = last(x, y, 4, (1.0, 10.0))
    scores = x @ x.T @ dual + intercept
    reached = 0.5 * (dual * (x @ x.T @ dual)).sum() - 10 * (weights[:, None] * log_softmax(scores) * targets).sum()
    assert reached == pytest.approx(least, rel=1e-6)
