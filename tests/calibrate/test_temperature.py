"""One temperature: the right one, and what it does where there is none."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from ravfeat.calibrate import BOUNDS, Temperature
from ravfeat.errors import PredictionsError
from ravfeat.metrics import decide, nll
from ravfeat.numerics.softmax import log_softmax, softmax


def drawn(n: int = 400, k: int = 8, *, true: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels as probable as these logits at the true temperature."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (n, k))
    labels = [rng.choice(k, p=row) for row in softmax(logits / true)]
    return logits, np.array(labels)


class Says(ClassifierMixin, BaseEstimator):
    """A classifier whose decision values are its input."""

    def fit(self, x: np.ndarray, y: np.ndarray) -> "Says":
        self.classes_ = np.unique(y)
        self.is_fitted_ = True
        return self

    def decision_function(self, x: np.ndarray) -> np.ndarray:
        return x

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.classes_[x.argmax(1)]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("true", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("k", [3, 8])
def test_it_is_that_of_scikit_learn(k, true, seed) -> None:
    logits, y = drawn(k=k, true=true, seed=seed)
    oracle = CalibratedClassifierCV(FrozenEstimator(Says().fit(logits, y)), method="temperature").fit(logits, y)
    (calibrator,) = oracle.calibrated_classifiers_[0].calibrators
    ours = Temperature().fit(logits, y)
    assert ours.temperature_ == pytest.approx(1 / calibrator.beta_, rel=1e-5)
    np.testing.assert_allclose(np.exp(ours.transform(logits)), oracle.predict_proba(logits), atol=1e-6)


def test_it_is_that_of_scikit_learn_where_labels_have_nothing_to_do_with_logits() -> None:
    rng = np.random.default_rng(1)
    logits, y = rng.normal(size=(300, 8)), rng.integers(0, 8, 300)
    oracle = CalibratedClassifierCV(FrozenEstimator(Says().fit(logits, y)), method="temperature").fit(logits, y)
    ours = np.exp(Temperature().fit(logits, y).transform(logits))
    np.testing.assert_allclose(ours, oracle.predict_proba(logits), atol=1e-4)


def test_no_other_temperature_has_a_lower_nll() -> None:
    logits, y = drawn(true=2.5)
    best = Temperature().fit(logits, y)
    reached = nll(y, np.exp(best.transform(logits)))
    grid = np.geomspace(0.05, 50, 500)
    assert reached <= min(nll(y, softmax(logits / t)) for t in grid) + 1e-12
    assert best.temperature_ == pytest.approx(2.5, rel=0.15)
    assert best.at_bound_ == ""


def test_a_second_temperature_changes_nothing() -> None:
    logits, y = drawn(true=2.5)
    once = Temperature().fit(logits, y).transform(logits)
    assert Temperature().fit(once, y).temperature_ == pytest.approx(1, abs=1e-8)


def test_decisions_stay_and_log_probabilities_do_as_well_as_logits() -> None:
    logits, y = drawn(true=0.4)
    one, two = Temperature().fit(logits, y), Temperature().fit(log_softmax(logits) - 1e3, y)
    assert two.temperature_ == pytest.approx(one.temperature_, rel=1e-9)
    np.testing.assert_array_equal(decide(one.transform(logits)), decide(logits))


def test_labels_that_are_always_the_largest_logit_put_it_at_its_lower_bound() -> None:
    logits = np.random.default_rng(0).normal(size=(50, 4))
    fitted = Temperature().fit(logits, logits.argmax(1))
    apart = (logits.max(1, keepdims=True) - logits).mean()
    assert (fitted.temperature_, fitted.at_bound_) == (pytest.approx(BOUNDS[0] * apart), "lower")


def test_labels_that_are_always_the_smallest_logit_put_it_at_its_upper_bound() -> None:
    logits = np.random.default_rng(0).normal(size=(50, 4))
    fitted = Temperature(bounds=(0.5, 20)).fit(logits, logits.argmin(1))
    apart = (logits.max(1, keepdims=True) - logits).mean()
    assert (fitted.temperature_, fitted.at_bound_) == (pytest.approx(20 * apart), "upper")


@pytest.mark.parametrize("value", [0.0, 5.0, -1e6])
def test_constant_logits_leave_it_at_one(value) -> None:
    fitted = Temperature().fit(np.full((10, 3), value), np.arange(10) % 3)
    assert (fitted.temperature_, fitted.at_bound_) == (1.0, "")
    np.testing.assert_allclose(np.exp(fitted.transform(np.full((2, 3), value))), 1 / 3)


def test_a_class_that_does_not_occur_is_no_obstacle() -> None:
    logits, y = drawn(k=5, true=2.0)
    kept = y != 3
    assert Temperature().fit(logits[kept], y[kept]).at_bound_ == ""


@pytest.mark.parametrize("scale", [1e-8, 1e-3, 2000.0, 1e9])
def test_logits_of_any_scale_get_a_temperature_of_that_scale(scale) -> None:
    logits, y = drawn(true=1.0)
    one, other = Temperature().fit(logits, y), Temperature().fit(scale * logits, y)
    assert other.temperature_ == pytest.approx(scale * one.temperature_, rel=1e-6)
    assert other.at_bound_ == ""
    np.testing.assert_allclose(other.transform(scale * logits), one.transform(logits), atol=1e-5)


@pytest.mark.parametrize(
    ("logits", "y", "message"),
    [
        (np.zeros((0, 3)), [], r"with N > 0, got \(0, 3\) and \(0,\)"),
        (np.zeros((4, 3)), [0, 1], r"got \(4, 3\) and \(2,\)"),
        (np.zeros(4), [0, 1, 0, 1], r"needs logits \(N, K\)"),
        ([[0.0, np.nan], [1.0, 0.0]], [0, 1], "needs finite logits; 1 of 2 clips have NaN or Inf"),
        ([[0.0, np.inf], [1.0, -np.inf]], [0, 1], "2 of 2 clips"),
        (np.zeros((2, 2)), [0, 2], "labels must be integers from 0 to 1, got int64"),
        (np.zeros((2, 2)), [-1, 1], "labels must be integers"),
        (np.zeros((2, 2)), [0.0, 1.0], "got float64"),
    ],
)
def test_what_cannot_be_fitted_is_refused(logits, y, message) -> None:
    with pytest.raises(PredictionsError, match=message):
        Temperature().fit(np.array(logits), np.array(y, dtype=None if len(y) else int))
