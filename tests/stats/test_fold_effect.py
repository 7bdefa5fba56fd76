"""Folds whose actors have something in common, and folds that do not."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import f_oneway
from sklearn.metrics import balanced_accuracy_score

from ravfeat.predictions import SystemProbs
from ravfeat.stats import fold_effect
from ravfeat.stats.fold_effect import STRONG, FoldEffect
from tests.toyscores import scores


def of(**options: object) -> SystemProbs:
    table = scores(**options)  # type: ignore[arg-type]
    return table.seed_averaged(table.systems()[0])


def spoilt(probs: SystemProbs, folds: list[int]) -> SystemProbs:
    """Let heads of some folds say the wrong class of four clips in five."""
    wrong = np.isin(probs.folds, folds) & (np.arange(len(probs)) % 5 > 0)
    decided = np.where(wrong, (probs.y + 1) % 4, probs.log_probs.argmax(1))
    return replace(probs, log_probs=np.log(np.eye(4)[decided] + 1e-9))


def found(probs: SystemProbs) -> FoldEffect:
    effect = fold_effect(probs)
    assert effect is not None
    return effect


def test_it_is_the_analysis_of_variance_of_the_actors_uar() -> None:
    probs = of(actors=23, folds=6)
    groups: dict[int, list[float]] = {}
    for actor in np.unique(probs.actors):
        rows = probs.actors == actor
        uar = balanced_accuracy_score(probs.y[rows], probs.log_probs[rows].argmax(1))
        groups.setdefault(int(probs.folds[rows][0]), []).append(uar)
    oracle = f_oneway(*groups.values())
    effect = found(probs)
    assert (effect.f, effect.p) == pytest.approx((oracle.statistic, oracle.pvalue))
    assert (effect.n_folds, effect.n_actors) == (6, 23)
    assert effect.said == f"F(5, 17) = {effect.f:.2f}, p = {effect.p:.4f}, ICC = {effect.icc:+.2f}"


def test_heads_that_fail_on_all_actors_of_a_fold_are_seen_and_honest_ones_are_not() -> None:
    honest = of(actors=24, folds=6)
    assert found(honest).p > 0.05
    assert abs(found(honest).icc) < 0.3
    broken = found(spoilt(honest, [1, 4]))
    assert broken.p < STRONG
    assert broken.icc > 0.7


def test_without_an_effect_p_is_small_as_often_as_it_says() -> None:
    p = np.array([found(of(actors=24, folds=6, val="none", seed=seed)).p for seed in range(60)])
    assert 0.35 < (p < 0.5).mean() < 0.65
    assert (p < 0.1).mean() < 0.2


@pytest.mark.parametrize(
    "options", [{"actors": 8, "folds": 8}, {"actors": 6, "folds": 3}, {"leaky": True}, {"actors": 5, "folds": 4}]
)
def test_it_is_not_told_of_single_actors_of_few_folds_or_of_actors_in_several(options) -> None:
    assert fold_effect(of(**options)) is None


def test_actors_of_a_fold_who_all_score_alike_end_in_no_division_by_zero() -> None:
    perfect = found(of(skill=50.0))
    assert (perfect.f, perfect.p, perfect.icc) == (0.0, 1.0, 0.0)
    probs = of(skill=50.0)
    halved = replace(probs, log_probs=np.where((probs.folds == 1)[:, None], probs.log_probs[:, ::-1], probs.log_probs))
    assert (found(halved).p, found(halved).icc) == (0.0, 1.0)
    assert found(halved).said.startswith("F(3, 4) = inf, p = 0.0000")
