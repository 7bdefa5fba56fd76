"""The two rules."""

import numpy as np
import pytest

from ravfeat.fusion import mix
from ravfeat.numerics.softmax import log_softmax, softmax

LOGITS = np.random.default_rng(0).normal(0, 3, (3, 20, 5))
LOG_PROBS = log_softmax(LOGITS)
WEIGHTS = np.array([0.5, 0.2, 0.3])


def test_linear_is_the_weighted_mean_of_probabilities() -> None:
    expected = sum(w * p for w, p in zip(WEIGHTS, softmax(LOGITS), strict=True))
    np.testing.assert_allclose(np.exp(mix("linear", WEIGHTS, LOG_PROBS)), expected, rtol=1e-12)


def test_loglinear_is_the_normalised_product_of_powers() -> None:
    product = np.prod([p**w for w, p in zip(WEIGHTS, softmax(LOGITS), strict=True)], axis=0)
    expected = product / product.sum(-1, keepdims=True)
    np.testing.assert_allclose(np.exp(mix("loglinear", WEIGHTS, LOG_PROBS)), expected, rtol=1e-10)


@pytest.mark.parametrize("rule", ["linear", "loglinear"])
def test_all_weight_on_one_system_is_that_system(rule) -> None:
    np.testing.assert_allclose(mix(rule, np.eye(3)[1], LOG_PROBS), LOG_PROBS[1], atol=1e-12)


@pytest.mark.parametrize("rule", ["linear", "loglinear"])
def test_probabilities_far_below_the_smallest_float_are_mixed_all_the_same(rule) -> None:
    apart = log_softmax(np.array([[[0.0, -2000.0, -3000.0]], [[0.0, -2000.0, -1000.0]]]))
    mixed = mix(rule, np.array([0.5, 0.5]), apart)
    assert np.isfinite(mixed).all()
    assert mixed[0, 0] > mixed[0, 1]
    expected = -2000 if rule == "loglinear" else -1000 + np.log(0.5)
    assert mixed[0, 2] == pytest.approx(expected)
