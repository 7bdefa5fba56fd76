"""`ravfeat.fusion.surface`: the curve and the map hold what was chosen, and what one would compute by hand."""

import numpy as np
import pytest

from ravfeat import metrics
from ravfeat.errors import PredictionsError
from ravfeat.fusion import fit_linear, fit_loglinear, mix
from ravfeat.fusion.surface import linear_curve, loglinear_map, proportions
from ravfeat.numerics.softmax import log_softmax

SHARES = np.arange(21) / 20


@pytest.fixture(scope="module", params=[2, 4])
def said(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-probabilities of some systems, labels, and which systems are on the first side."""
    rng = np.random.default_rng(5)
    y = rng.integers(0, 5, 150)
    logits = rng.normal(size=(request.param, len(y), 5))
    logits[:, np.arange(len(y)), y] += 1.4
    return log_softmax(logits), y, np.arange(request.param) < request.param // 2


def test_the_curve_passes_through_the_chosen_mixture(said: tuple[np.ndarray, ...]) -> None:
    log_probs, y, first = said
    weights = fit_linear(log_probs, y)
    curve = linear_curve(weights, first, log_probs, y, SHARES)
    at = int(np.rint(weights[first].sum() * 20))
    mixed = mix("linear", weights, log_probs)
    assert curve.shares[at] == pytest.approx(weights[first].sum())
    assert curve.uar[at] == pytest.approx(metrics.uar(y, metrics.decide(mixed)))
    assert curve.nll[at] == pytest.approx(metrics.nll(y, np.exp(mixed)))


def test_every_point_of_the_curve_is_a_mixture(said: tuple[np.ndarray, ...]) -> None:
    log_probs, y, first = said
    weights = np.linspace(1, 2, len(log_probs))
    curve = linear_curve(weights, first, log_probs, y, SHARES)
    for share, uar, nll in zip(curve.shares, curve.uar, curve.nll, strict=True):
        sides = [weights * first / weights[first].sum(), weights * ~first / weights[~first].sum()]
        probs = np.tensordot(share * sides[0] + (1 - share) * sides[1], np.exp(log_probs), axes=1)
        assert uar == pytest.approx(metrics.uar(y, metrics.decide(probs)))
        assert nll == pytest.approx(metrics.nll(y, probs))


def test_the_map_holds_the_chosen_mixture_and_nothing_near_it_is_better(said: tuple[np.ndarray, ...]) -> None:
    log_probs, y, first = said
    weights = fit_loglinear(log_probs, y)
    ours, theirs = weights[first].sum(), weights[~first].sum()
    steps = np.array([-0.2, 0.0, 0.2])
    nll = loglinear_map(weights, first, log_probs, y, ours + steps, theirs + steps)
    assert nll[1, 1] == pytest.approx(metrics.nll(y, np.exp(mix("loglinear", weights, log_probs))))
    assert nll.argmin() == 4


def test_the_map_has_the_second_side_in_rows(said: tuple[np.ndarray, ...]) -> None:
    log_probs, y, first = said
    weights = np.linspace(1, 2, len(log_probs))
    ours, theirs = np.array([0.0, 0.5, 1.5]), np.array([0.25, 1.0])
    found = loglinear_map(weights, first, log_probs, y, ours, theirs)
    assert found.shape == (2, 3)
    for row, column in np.ndindex(2, 3):
        scaled = np.where(first, ours[column], theirs[row]) * proportions(weights, first)
        expected = metrics.nll(y, np.exp(mix("loglinear", scaled, log_probs)))
        assert found[row, column] == pytest.approx(expected)


def test_a_side_without_weight_is_mixed_equally() -> None:
    first = np.array([True, True, False])
    assert proportions(np.array([0.0, 0.0, 1.0]), first).tolist() == [0.5, 0.5, 1.0]
    assert proportions(np.array([0.3, 0.1, 0.6]), first).tolist() == pytest.approx([0.75, 0.25, 1.0])


@pytest.mark.parametrize("first", [[True, True], [False, False], [True]])
def test_two_sides_need_a_system_each(first: list[bool]) -> None:
    with pytest.raises(PredictionsError, match="two sides need at least a system each, got"):
        proportions(np.array([0.5, 0.5]), np.array(first))
