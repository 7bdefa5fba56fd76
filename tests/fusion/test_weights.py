"""Weights: the best there are, by search and by likelihood."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize

from ravfeat.fusion import LARGEST, STEPS, fit_linear, fit_loglinear, grid_uar, mix, simplex_grid
from ravfeat.fusion import weights as module
from ravfeat.metrics import decide, nll, uar
from ravfeat.numerics.softmax import log_softmax


def experts(m: int, *, n: int = 200, k: int = 4, skill: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated systems that err independently given the class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    clear = rng.normal(size=(m, n, k))
    strength = skill * np.linspace(1.3, 0.7, m)[:, None]
    clear[:, np.arange(n), y] += strength
    return log_softmax(clear * strength[..., None]), y  # the logits of Bayes' rule


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_the_grid_holds_every_multiple_once_and_every_single_system(n) -> None:
    grid = simplex_grid(n)
    assert len(grid) == math.comb(STEPS + n - 1, n - 1)
    assert len({tuple(point) for point in np.rint(grid * STEPS).astype(int).tolist()}) == len(grid)
    np.testing.assert_allclose(grid.sum(1), 1)
    assert all((np.abs(grid - corner).max(1) == 0).any() for corner in np.eye(n))


def test_grid_scores_are_those_of_the_metric() -> None:
    log_probs, y = experts(3)
    y[y == 2] = 1  # a class that does not occur
    points = simplex_grid(3)[::17]
    expected = [uar(y, decide(mix("linear", point, log_probs))) for point in points]
    np.testing.assert_allclose(grid_uar(points, np.exp(log_probs), y), expected, atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_linear_weights_have_the_best_uar_of_the_grid_and_of_those_the_best_nll(seed) -> None:
    log_probs, y = experts(3, n=60, seed=seed)
    found = fit_linear(log_probs, y)
    grid = simplex_grid(3)
    scores = grid_uar(grid, np.exp(log_probs), y)
    best = grid[scores >= scores.max() - 1e-12]
    assert any(np.array_equal(found, point) for point in best)
    values = [module.best_nll(mix("linear", point, log_probs), y) for point in best]
    assert module.best_nll(mix("linear", found, log_probs), y) == pytest.approx(min(values), abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_the_search_for_many_systems_is_never_below_a_single_one_and_close_to_the_whole_grid(seed, monkeypatch) -> None:
    log_probs, y = experts(4, n=80, seed=seed)
    whole = uar(y, decide(mix("linear", fit_linear(log_probs, y), log_probs)))
    monkeypatch.setattr(module, "_EXHAUSTIVE", 1)
    found = fit_linear(log_probs, y)
    reached = uar(y, decide(mix("linear", found, log_probs)))
    assert max(uar(y, decide(own)) for own in log_probs) <= reached <= whole + 1e-12
    assert reached > whole - 0.03
    np.testing.assert_allclose(found * STEPS, np.rint(found * STEPS))
    assert found.sum() == pytest.approx(1)


@pytest.mark.parametrize("m", [3, 7])
def test_the_order_of_the_systems_does_not_matter(m) -> None:
    log_probs, y = experts(m, skill=0.6)
    order = np.random.default_rng(m).permutation(m)
    np.testing.assert_allclose(fit_linear(log_probs[order], y), fit_linear(log_probs, y)[order], atol=1e-9)
    np.testing.assert_allclose(fit_loglinear(log_probs[order], y), fit_loglinear(log_probs, y)[order], atol=1e-5)


def test_nine_systems_are_searched_too() -> None:
    log_probs, y = experts(9, skill=0.6)
    found = fit_linear(log_probs, y)
    assert uar(y, decide(mix("linear", found, log_probs))) >= max(uar(y, decide(own)) for own in log_probs)


@pytest.mark.parametrize("m", [2, 3, 6])
def test_loglinear_weights_are_those_of_another_optimiser(m) -> None:
    log_probs, y = experts(m, seed=m)

    def loss(w: np.ndarray) -> float:
        return nll(y, np.exp(mix("loglinear", np.abs(w), log_probs)))

    oracle = minimize(
        loss, np.full(m, 0.5), method="Nelder-Mead", options={"maxiter": 20000, "fatol": 1e-13, "xatol": 1e-9}
    )
    found = fit_loglinear(log_probs, y)
    assert loss(found) <= oracle.fun + 1e-9
    np.testing.assert_allclose(found, np.abs(oracle.x), atol=2e-3)


def test_independent_calibrated_systems_get_weights_near_one_as_bayes_rule_has_it() -> None:
    log_probs, y = experts(2, n=4000)
    np.testing.assert_allclose(fit_loglinear(log_probs, y), [1, 1], atol=0.12)


def test_a_system_that_knows_nothing_or_the_wrong_thing_gets_no_weight() -> None:
    log_probs, y = experts(2)
    lies = log_softmax(-log_probs[1])
    assert fit_loglinear(np.stack([log_probs[0], lies]), y)[1] == 0
    assert fit_linear(np.stack([log_probs[0], lies]), y)[1] <= 0.2


def test_rows_without_an_error_put_weights_at_their_bound_and_not_beyond() -> None:
    log_probs, y = experts(2, skill=20)
    found = fit_loglinear(log_probs, y)
    assert (found <= LARGEST).all()
    assert nll(y, np.exp(mix("loglinear", found, log_probs))) < 1e-9


def test_a_mean_of_probabilities_is_likeliest_far_from_where_its_decisions_are_best() -> None:
    """Why linear weights are not chosen by plain NLL."""
    log_probs, y = experts(2, n=4000, skill=1.2)
    grid = simplex_grid(2)
    likelihood = [nll(y, np.exp(mix("linear", point, log_probs))) for point in grid]
    by_nll, by_uar = grid[int(np.argmin(likelihood))][0], fit_linear(log_probs, y)[0]
    assert by_nll > by_uar + 0.1
    scores = grid_uar(np.array([[by_nll, 1 - by_nll], [by_uar, 1 - by_uar]]), np.exp(log_probs), y)
    assert scores[1] > scores[0] + 0.005
