"""Swapping systems, actor by actor."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy import stats as scipy_stats
from sklearn.metrics import balanced_accuracy_score

from ravfeat.calibrate import calibrate
from ravfeat.errors import PredictionsError
from ravfeat.numerics.softmax import log_softmax
from ravfeat.predictions import System, SystemProbs, concatenate
from ravfeat.schema import DIFFERENCE_FIELDS
from ravfeat.stats import METRICS, SWAPS, Compared, Pairing, difference_records, holm, paired_difference
from tests.toyscores import scores, two_streams

TESTED = [metric for metric in METRICS if not metric.startswith("ece")]
VOICE, FACE = System("audio", "voice", "logreg"), System("face", "face", "logreg")


def sides(**options: object) -> list[SystemProbs]:
    table = two_streams(**options)
    voice, face = (calibrate(table, system).test for system in (VOICE, FACE))
    order = np.argsort(face.performance_ids.astype(str))
    return [voice.rows(np.argsort(voice.performance_ids.astype(str))), face.rows(order)]


def test_the_p_value_is_that_of_trying_all_swaps() -> None:
    a, b = sides(actors=8)
    names = np.unique(a.actors)
    said = [one.log_probs.argmax(1) for one in (a, b)]
    observed = balanced_accuracy_score(a.y, said[0]) - balanced_accuracy_score(a.y, said[1])
    beyond = 0
    for coins in product([0, 1], repeat=len(names)):
        swapped = np.isin(a.actors, names[np.array(coins, bool)])
        one, two = np.where(swapped, said[1], said[0]), np.where(swapped, said[0], said[1])
        gap = balanced_accuracy_score(a.y, one) - balanced_accuracy_score(a.y, two)
        beyond += abs(gap) >= abs(observed) - 1e-12
    assert paired_difference(a, b).p == pytest.approx(beyond / 2 ** len(names), abs=0.02)


def test_a_mean_over_clips_is_tested_as_scipy_does() -> None:
    a, b = sides(actors=12)
    names = np.unique(a.actors)
    hits = [(one.log_probs.argmax(1) == one.y).astype(float) for one in (a, b)]
    by_actor = [np.array([hit[a.actors == name].sum() for name in names]) for hit in hits]
    oracle = scipy_stats.permutation_test(
        by_actor, lambda x, y: x.mean() - y.mean(), permutation_type="samples", n_resamples=np.inf
    )
    assert paired_difference(a, b, "wa").p == pytest.approx(oracle.pvalue, abs=0.02)


def test_a_system_does_not_differ_from_itself() -> None:
    a, _ = sides()
    assert {paired_difference(a, a, metric).p for metric in TESTED} == {1.0}


def test_the_smallest_p_value_is_one_draw_and_swapped_sides_have_the_same() -> None:
    a, b = sides(actors=24)
    right = replace(a, log_probs=log_softmax(30.0 * np.eye(4)[a.y]))
    found = paired_difference(right, b)
    assert found.p == pytest.approx(1 / (1 + SWAPS))
    assert found.ci_low > 0
    turned = paired_difference(b, right)
    assert (turned.p, turned.value) == (found.p, -found.value)


@pytest.mark.slow
def test_where_systems_are_equally_good_p_values_are_spread_evenly(monkeypatch) -> None:
    monkeypatch.setattr("ravfeat.stats.permutation.SWAPS", 500)  # a p-value moves by 0.02, what is asked allows 0.1
    found = []
    for seed in range(80):
        parts = [scores(features=name, seed=seed, actors=12, folds=4, val="none") for name in ("one", "two")]
        tested = [
            part.seed_averaged(System("audio", name, "logreg"))
            for part, name in zip(parts, ("one", "two"), strict=True)
        ]
        found.append(paired_difference(*tested, "nll").p)
    assert scipy_stats.kstest(found, "uniform").pvalue > 0.01
    assert np.mean(np.array(found) < 0.1) < 0.2


def test_many_comparisons_are_corrected_as_scipy_corrects_them_but_for_dependence() -> None:
    p = [0.01, 0.04, 0.03, 0.005, 0.8]
    assert holm(p) == pytest.approx([0.04, 0.09, 0.09, 0.025, 0.8])
    assert holm([]) == []
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    rng = np.random.default_rng(0)
    for values in rng.uniform(size=(20, 6)):
        corrected = holm(values.tolist())
        assert all(low <= high for low, high in zip(values, corrected, strict=True))
        order = np.argsort(values)
        assert all(np.diff(np.array(corrected)[order]) >= 0)
        assert corrected[order[0]] == pytest.approx(min(1, 6 * values.min()))


# --- differences of a whole run


def test_every_two_systems_are_compared_in_every_metric_and_averaging() -> None:
    table = concatenate([two_streams(), scores(head="kernel")])
    records = difference_records(table)
    assert len(records) == 3 * len(METRICS) * 2
    assert all(tuple(record) == DIFFERENCE_FIELDS for record in records)
    pairs = {(System(**record["a"]), System(**record["b"])) for record in records}
    assert len(pairs) == 3
    one = next(r for r in records if (r["metric"], r["averaging"]) == ("ece_uncalibrated", "pooled"))
    tested = [calibrate(table, System(**one[side])).test for side in ("a", "b")]
    found = paired_difference(*tested, "ece_uncalibrated")
    assert (one["value"], one["ci_low"], one["ci_high"], one["p"]) == (
        found.value,
        found.ci_low,
        found.ci_high,
        found.p,
    )
    assert {record["p"] is None for record in records if record["averaging"] == "fold_mean"} == {True}


def test_calibration_errors_are_not_tested_by_swapping() -> None:
    """Too sure and not sure enough cancel in a mixture of both, so every two would seem different."""
    a, b = sides()
    assert paired_difference(a, b, "ece").p is None
    records = [r for r in difference_records(two_streams()) if r["metric"].startswith("ece")]
    assert {(r["p"], r["p_holm"]) for r in records} == {(None, None)}
    assert all(r["ci_low"] <= r["value"] <= r["ci_high"] for r in records if r["averaging"] == "pooled")


def test_p_values_are_corrected_over_the_pairs_of_a_metric() -> None:
    records = difference_records(concatenate([two_streams(), scores(head="kernel")]))
    for metric in TESTED:
        own = [record for record in records if record["metric"] == metric and record["averaging"] == "pooled"]
        assert [record["p_holm"] for record in own] == holm([record["p"] for record in own])
        assert {record["family"] for record in own} == {"all 3 pairs of the run"}
    assert {r["family"] for r in records if r["p"] is None} == {None}
    assert {r["family"] for r in difference_records(two_streams()) if r["p"]} == {"the only pair of the run"}


def test_systems_on_other_clips_are_not_compared() -> None:
    other = scores(stream="face", features="face", actors=12)
    records = difference_records(concatenate([scores(), scores(head="kernel"), other]))
    assert {(record["a"]["stream"], record["b"]["stream"]) for record in records} == {("audio", "audio")}


def test_a_performance_that_is_several_clips_on_both_sides_is_compared_clip_by_clip() -> None:
    a, _ = sides()
    twins = np.repeat(a.performance_ids[::2], 2)
    one = replace(a, performance_ids=twins)
    two = replace(one, log_probs=np.roll(a.log_probs, 3, axis=0))
    once = paired_difference(a, replace(a, log_probs=two.log_probs))
    assert paired_difference(one, two) == once
    with pytest.raises(PredictionsError, match="only on the first side"):
        paired_difference(one, a)


def test_differences_of_differences_share_their_draws() -> None:
    a, b = sides()
    pairing = Pairing(Compared(a), Compared(b))
    for averaging in ("pooled", "fold_mean"):
        one, two = pairing.difference("uar", averaging), paired_difference(a, b, "uar", averaging)
        assert one == two
