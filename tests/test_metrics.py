import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as sk

from ravfeat import metrics
from ravfeat.errors import PredictionsError

GOLDEN = Path(__file__).parent / "golden" / "metrics.json"


def sample(seed: int, n: int = 200, k: int = 5) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    y = rng.choice(k, n, p=rng.dirichlet(np.ones(k)))
    probs = rng.dirichlet(np.ones(k), n)
    probs[np.arange(n), y] += rng.random(n)
    return y, probs / probs.sum(1, keepdims=True)


def brute_force_ece(y: NDArray[np.int64], probs: NDArray[np.float64], n_bins: int) -> float:
    """The definition, one clip and one bin at a time."""
    confidence = [max(row) for row in probs]
    hits = [int(np.argmax(row) == label) for row, label in zip(probs, y, strict=True)]
    edges = [-np.inf, *(np.quantile(confidence, b / n_bins) for b in range(1, n_bins)), np.inf]
    total = 0.0
    for low, high in itertools.pairwise(edges):
        members = [i for i, c in enumerate(confidence) if low <= c < high]
        if members:
            accuracy = sum(hits[i] for i in members) / len(members)
            total += len(members) / len(y) * abs(accuracy - sum(confidence[i] for i in members) / len(members))
    return total


@pytest.mark.parametrize("seed", range(5))
def test_metrics_equal_scikit_learn(seed: int) -> None:
    y, probs = sample(seed)
    present = np.unique(y)
    predicted = metrics.decide(probs)
    assert metrics.uar(y, predicted) == pytest.approx(sk.recall_score(y, predicted, labels=present, average="macro"))
    assert metrics.wa(y, predicted) == pytest.approx(sk.accuracy_score(y, predicted))
    assert metrics.macro_f1(y, predicted) == pytest.approx(sk.f1_score(y, predicted, average="macro", zero_division=0))
    assert metrics.nll(y, probs) == pytest.approx(sk.log_loss(y, probs, labels=range(5)))
    assert metrics.brier(y, probs) == pytest.approx(
        sum(sk.brier_score_loss(y == k, probs[:, k]) for k in range(5)), rel=1e-12
    )
    np.testing.assert_array_equal(
        metrics.confusion(y, predicted, 5), sk.confusion_matrix(y, predicted, labels=range(5))
    )


def test_uar_is_balanced_accuracy() -> None:
    y, probs = sample(3, n=400)
    assert len(np.unique(y)) == 5
    assert metrics.uar(y, metrics.decide(probs)) == pytest.approx(sk.balanced_accuracy_score(y, metrics.decide(probs)))


@pytest.mark.parametrize("n_bins", [1, 2, 15, 40])
@pytest.mark.parametrize("seed", range(4))
def test_ece_equals_its_brute_force_twin(seed: int, n_bins: int) -> None:
    y, probs = sample(seed, n=150)
    assert metrics.ece(y, probs, n_bins) == pytest.approx(brute_force_ece(y, probs, n_bins), abs=1e-12)


def test_ece_equals_its_brute_force_twin_when_confidences_tie() -> None:
    y, probs = sample(0)
    coarse = np.round(probs, 1)
    coarse /= coarse.sum(1, keepdims=True)
    assert metrics.ece(y, coarse) == pytest.approx(brute_force_ece(y, coarse, 15), abs=1e-12)


def test_golden_values_stay() -> None:
    for case in json.loads(GOLDEN.read_text()):
        found = metrics.evaluate(np.array(case["y"]), np.array(case["probs"]), case["n_bins"])
        assert found == pytest.approx(case["expected"], abs=1e-12), case["name"]


def test_perfect_predictions_score_perfectly() -> None:
    y = np.arange(4)
    scores = metrics.evaluate(y, np.eye(4))
    assert scores == {"uar": 1.0, "wa": 1.0, "macro_f1": 1.0, "nll": 0.0, "brier": 0.0, "ece": 0.0}


def test_certain_and_wrong_costs_much_but_not_infinitely() -> None:
    scores = metrics.evaluate(np.array([0]), np.array([[0.0, 1.0]]))
    assert scores["nll"] == pytest.approx(-np.log(np.finfo(float).eps))
    assert (scores["brier"], scores["ece"]) == (2.0, 1.0)


@pytest.mark.parametrize("seed", range(3))
def test_no_metric_depends_on_the_order_of_clips(seed: int) -> None:
    y, probs = sample(seed)
    order = np.random.default_rng(seed).permutation(len(y))
    assert metrics.evaluate(y[order], probs[order]) == pytest.approx(metrics.evaluate(y, probs), abs=1e-12)


def test_renaming_classes_changes_nothing() -> None:
    y, probs = sample(1)
    rename = np.array([3, 0, 4, 1, 2])
    renamed = np.empty_like(probs)
    renamed[:, rename] = probs
    assert metrics.evaluate(rename[y], renamed) == pytest.approx(metrics.evaluate(y, probs), abs=1e-12)


def test_repeating_one_class_moves_wa_but_not_uar() -> None:
    y, predicted = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0])
    more_y, more_predicted = np.r_[y, y[:2]], np.r_[predicted, predicted[:2]]
    assert metrics.uar(more_y, more_predicted) == metrics.uar(y, predicted) == 0.75
    assert metrics.wa(more_y, more_predicted) > metrics.wa(y, predicted)


def test_uar_counts_only_classes_that_occur() -> None:
    assert metrics.uar(np.array([0, 0, 2]), np.array([0, 1, 2])) == 0.75


def test_recall_of_an_absent_class_is_not_a_number() -> None:
    recalls = metrics.recalls_from_confusion(metrics.confusion(np.array([0, 2]), np.array([0, 1]), 3))
    np.testing.assert_array_equal(recalls, [1.0, np.nan, 0.0])


BAD: list[tuple[Any, Any, str]] = [
    ([], np.empty((0, 2)), "N > 0"),
    ([0, 1], [[0.5, 0.5]], r"got \(2,\) and \(1, 2\)"),
    ([2], [[0.5, 0.5]], "integers from 0 to 1"),
    ([-1], [[0.5, 0.5]], "integers from 0 to 1"),
    ([0.0], [[0.5, 0.5]], "must be integers"),
    ([0], [[np.nan, 1.0]], "between 0 and 1"),
    ([0], [[-2.0, 3.0]], "logits need a softmax"),
    ([0], [[0.5, 0.4]], "must sum to 1"),
]


@pytest.mark.parametrize(("y", "probs", "message"), BAD)
def test_bad_input_is_refused(y: Any, probs: Any, message: str) -> None:
    with pytest.raises(PredictionsError, match=message):
        metrics.evaluate(np.array(y), np.array(probs))


def test_labels_of_different_lengths_are_refused() -> None:
    with pytest.raises(PredictionsError, match="expected two label arrays"):
        metrics.uar(np.array([0, 1]), np.array([0]))


def test_a_debiased_ece_is_what_drawing_accuracies_gives() -> None:
    """As the authors' own `normal_debiased_ce` does, which draws."""
    rng = np.random.default_rng(0)
    probs = rng.dirichlet([0.5] * 4, 600)
    y = np.array([rng.choice(4, p=row) for row in probs])
    confidence, hit = probs.max(1), metrics.decide(probs) == y
    bins = metrics.ece_bins(confidence, metrics.ece_edges(confidence))
    n = np.bincount(bins)
    sure, right = (np.bincount(bins, weights=values) / n for values in (confidence, hit))
    drawn = rng.normal(right, np.sqrt(right * (1 - right) / n), (20_000, len(n)))
    mean = (np.abs(drawn - sure) * n / n.sum()).sum(1).mean()
    plain = metrics.ece(y, probs)
    assert metrics.ece_debiased(y, probs) == pytest.approx(max(0, 2 * plain - mean), abs=1e-3)
    assert metrics.ece_debiased(y, probs) < plain


def test_a_system_that_is_always_sure_and_wrong_is_debiased_by_nothing() -> None:
    assert metrics.ece_debiased(np.zeros(9, int), np.tile([0.0, 1.0], (9, 1))) == 1.0
    assert metrics.ece_debiased(np.ones(9, int), np.tile([0.0, 1.0], (9, 1))) == 0.0
