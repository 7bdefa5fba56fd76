"""Probabilities of logits."""

import numpy as np
from scipy import special

from ravfeat.numerics.softmax import log_softmax, softmax


def test_they_are_those_of_scipy_along_the_last_axis() -> None:
    z = np.random.default_rng(0).normal(0, 30, (3, 5, 8)).astype(np.float32)
    np.testing.assert_allclose(softmax(z), special.softmax(z.astype(float), axis=-1), rtol=1e-12)
    np.testing.assert_allclose(log_softmax(z), special.log_softmax(z.astype(float), axis=-1), atol=1e-12)
    assert softmax(z).dtype == log_softmax(z).dtype == np.float64


def test_what_is_impossible_stays_apart_from_what_is_more_so() -> None:
    assert log_softmax(np.array([0.0, -1e4, -2e4])).tolist() == [0.0, -1e4, -2e4]
