import numpy as np
import pytest

from ravfeat.heads.lbfgs import minimise


def quadratic(kernel, curvature, target):
    """A ridge regression on scores ``dual @ kernel``, with what its curvature times a gradient is."""

    def loss(point):
        dual, scores = point
        value = 0.5 * (dual * scores).sum() + 0.5 * (curvature * np.square(scores - target)).sum()
        return float(value), dual + curvature * (scores - target)

    def step_of(rows):
        inverse = np.linalg.inv(np.eye(len(kernel)) + kernel * rows)
        return lambda gradient: np.stack([gradient @ inverse, gradient @ inverse @ kernel])

    return loss, step_of


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 10))
    curvature = np.exp(rng.normal(size=40))
    target = rng.normal(size=(3, 40))
    return x @ x.T, curvature, target


def test_a_step_with_the_true_curvature_is_the_last(problem):
    kernel, curvature, target = problem
    loss, step_of = quadratic(kernel, curvature, target)
    calls = []

    def counted(point):
        calls.append(point)
        return loss(point)

    found = minimise(counted, step_of(curvature), np.zeros((2, 3, 40)), 1e-9)
    assert len(calls) == 2
    exact = (curvature * target) @ np.linalg.inv(np.eye(40) + kernel * curvature)
    np.testing.assert_allclose(found[0], exact, atol=1e-6)


@pytest.mark.parametrize("rows", [1.0, 0.02, 30.0])  # a guess of the curvature that is near, far too low, too high
def test_a_rough_guess_of_the_curvature_leads_to_the_same_point(rows, problem):
    kernel, curvature, target = problem
    loss, step_of = quadratic(kernel, curvature, target)
    found = minimise(loss, step_of(np.full_like(curvature, rows)), np.zeros((2, 3, 40)), 1e-12)
    exact = (curvature * target) @ np.linalg.inv(np.eye(40) + kernel * curvature)
    np.testing.assert_allclose(found[1], exact @ kernel, atol=1e-4)
    np.testing.assert_allclose(found[1], found[0] @ kernel, atol=1e-8)


def test_a_loss_that_rounding_has_made_flat_ends_the_search(problem):
    kernel, curvature, target = problem
    loss, step_of = quadratic(kernel, curvature, target)
    found = minimise(loss, step_of(curvature), np.zeros((2, 3, 40)), 0.0)
    assert loss(found)[0] < loss(np.zeros((2, 3, 40)))[0]
