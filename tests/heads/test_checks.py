import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, log_loss
from sklearn.utils.class_weight import compute_class_weight

from ravfeat.errors import HeadError
from ravfeat.heads.attentive import AttentiveHead
from ravfeat.heads.base import Sweep
from ravfeat.heads.checks import balanced_weights, candidate_scores, likeliest
from ravfeat.heads.neural import best_epoch
from ravfeat.numerics.softmax import log_softmax

Y = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 1], np.int64)


def sweep_with(hits_per_candidate, confidence=2.0):
    """Candidates that get the first so many of Y right, with the given logit margin."""
    margins = np.broadcast_to(confidence, len(hits_per_candidate))
    logits = np.zeros((len(hits_per_candidate), len(Y), 3), np.float32)
    for c, hits in enumerate(hits_per_candidate):
        guess = np.where(np.arange(len(Y)) < hits, Y, (Y + 1) % 3)
        logits[c, np.arange(len(Y)), guess] = margins[c]
    return Sweep(tuple({"epochs": c + 1} for c in range(len(logits))), logits)


def test_scores_equal_scikit_learn():
    logits = np.random.default_rng(0).normal(size=(4, len(Y), 3)).astype(np.float32)
    uar, nll = candidate_scores([Sweep(({},) * 4, logits)], [Y])
    for c in range(4):
        assert uar[c] == pytest.approx(balanced_accuracy_score(Y, logits[c].argmax(-1)))
        assert nll[c] == pytest.approx(log_loss(Y, np.exp(log_softmax(logits[c]))))


def test_balanced_weights_equal_scikit_learn_and_ignore_absent_classes():
    expected = compute_class_weight("balanced", classes=np.arange(3), y=Y)
    np.testing.assert_allclose(balanced_weights(Y, 3), expected, rtol=1e-6)
    np.testing.assert_allclose(balanced_weights(Y, 4), [*expected, 0], rtol=1e-6)


def test_the_likeliest_candidate_is_not_the_overconfident_one_with_more_hits():
    assert likeliest([sweep_with([9, 8, 3], confidence=[9.0, 2.0, 0.1])], [Y]) == 1


def test_equal_likelihood_is_settled_by_hits():
    assert likeliest([sweep_with([4, 6], confidence=[0.0, 0.0])], [Y]) == 0
    sweep = sweep_with([5, 5], confidence=[1.0, 1.0])
    swapped = sweep.logits[1].copy()
    assert likeliest([Sweep(sweep.candidates, np.stack([swapped, sweep.logits[1]]))], [Y]) == 0


def test_one_sweep_keeps_the_last_epoch_unless_another_is_clearly_better():
    head = AttentiveHead()
    assert head.choose([sweep_with([4, 9, 9])], [Y]) == 2
    assert head.choose([sweep_with([4, 9, 5])], [Y]) == 1


def test_several_sweeps_take_the_median_of_the_best_epochs():
    sweeps = [sweep_with([9, 5, 5, 5]), sweep_with([5, 5, 9, 5]), sweep_with([5, 5, 5, 9])]
    assert best_epoch(sweeps, [Y] * 3) == 2
    assert AttentiveHead().choose(sweeps, [Y] * 3) == 2


def test_choosing_without_validation_rows_is_refused():
    empty = Sweep(({},), np.zeros((1, 0, 3), np.float32))
    with pytest.raises(HeadError, match="needs validation rows"):
        candidate_scores([empty], [Y[:0]])


def test_sweeps_of_different_candidates_are_refused():
    with pytest.raises(HeadError, match="must share their candidates"):
        candidate_scores([sweep_with([1]), sweep_with([1, 2])], [Y, Y])
