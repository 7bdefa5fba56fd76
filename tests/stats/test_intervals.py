"""Intervals over actors, and the records of a run's metrics."""

import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy import stats as scipy_stats
from scipy.special import expit, logit
from sklearn.metrics import balanced_accuracy_score

from ravfeat import metrics, stats
from ravfeat.errors import PredictionsError
from ravfeat.numerics.softmax import log_softmax
from ravfeat.predictions import Predictions, SystemProbs
from ravfeat.schema import METRIC_FIELDS
from ravfeat.stats import Compared

GOLDEN = Path(__file__).parent.parent / "golden" / "intervals.json"
CLASSES = ("calm", "happy", "sad", "angry")


def simulated(
    *, actors: int = 8, takes: int = 12, folds: int = 4, seed: int = 0, gain: float = 1.5, leaky: bool = False
) -> SystemProbs:
    """Noisy probabilities with actors of different difficulty."""
    rng = np.random.default_rng(seed)
    actor = np.repeat(np.arange(actors), takes)
    y = np.tile(np.arange(takes) % len(CLASSES), actors)
    ease = np.linspace(0, 2, actors)[actor]
    logits = rng.normal(size=(len(y), len(CLASSES)))
    logits[np.arange(len(y)), y] += gain * ease
    names = np.array([f"{a:02d}-{i:04d}" for i, a in enumerate(actor)], dtype=object)
    return SystemProbs(
        clip_ids=names,
        performance_ids=names,
        actors=np.array([f"a{a:02d}" for a in actor], dtype=object),
        folds=rng.integers(0, folds, len(y)) if leaky else actor % folds,
        y=y,
        log_probs=log_softmax(logits),
        classes=CLASSES,
        seeds=(0,),
    )


def table(probs: SystemProbs, n_seeds: int = 3, head: str = "logreg") -> Predictions:
    """The same clips under several seeds, with a little noise for each."""
    n = len(probs)
    noise = np.random.default_rng(5).normal(size=(n_seeds, *probs.probs.shape))
    return Predictions.from_columns(
        {
            "stream": "audio",
            "features": "logmel",
            "head": head,
            "seed": np.repeat(np.arange(n_seeds), n),
            "fold": np.tile(probs.folds, n_seeds),
            "split": "test",
            "clip_id": np.tile(probs.clip_ids, n_seeds),
            "performance_id": np.tile(probs.performance_ids, n_seeds),
            "actor": np.tile(probs.actors, n_seeds),
            "label": [CLASSES[k] for k in np.tile(probs.y, n_seeds)],
            "logits": (probs.log_probs + noise).reshape(-1, len(CLASSES)),
        },
        classes=CLASSES,
        protocol="group4",
        leaky=False,
        select="val",
        synthetic=True,
    )


@pytest.mark.parametrize("leaky", [False, True])
def test_values_are_those_of_the_metrics_themselves(*, leaky: bool) -> None:
    probs = simulated(leaky=leaky)
    found = stats.score_intervals(probs)
    pooled = metrics.evaluate(probs.y, probs.probs)
    by_fold = [metrics.evaluate(probs.y[probs.folds == f], probs.probs[probs.folds == f]) for f in range(4)]
    for name in stats.METRICS:
        own = name.removesuffix("_uncalibrated")  # nothing was calibrated here
        assert found[name, "pooled"].value == pytest.approx(pooled[own], abs=1e-12)
        scores = [fold[own] for fold in by_fold]
        assert found[name, "fold_mean"].value == pytest.approx(np.mean(scores), abs=1e-12)
        assert found[name, "fold_mean"].sd == pytest.approx(np.std(scores, ddof=1), abs=1e-12)


@pytest.mark.parametrize("leaky", [False, True])
def test_an_actor_left_out_is_a_sample_without_their_clips(*, leaky: bool) -> None:
    probs = simulated(actors=5, folds=3, leaky=leaky)
    without = [probs.rows(probs.actors != name) for name in np.unique(probs.actors)]
    pooled = [balanced_accuracy_score(p.y, metrics.decide(p.probs)) for p in without]
    error = np.sqrt(4 / 5 * ((pooled - np.mean(pooled)) ** 2).sum())
    found = stats.score_intervals(probs)["uar", "pooled"]
    assert found.sd == pytest.approx(error)
    reach = scipy_stats.t.ppf(0.975, 4) * error / (found.value * (1 - found.value))
    expected = expit(logit(found.value) + np.array([-reach, reach]))
    np.testing.assert_allclose([found.ci_low, found.ci_high], expected, rtol=1e-12)
    nll = stats.score_intervals(probs)["nll", "pooled"]
    assert nll.ci_low * nll.ci_high == pytest.approx(nll.value**2)  # as far below as above, as a factor


def test_a_fold_without_its_only_actor_drops_out() -> None:
    probs = simulated(actors=4, folds=4)
    by_fold = [score["uar"] for score in stats.fold_scores(probs)]
    found = Compared(probs).scores["fold_mean"]["uar"]
    expected = [np.mean(by_fold), *(np.mean(np.delete(by_fold, place)) for place in range(4))]
    np.testing.assert_allclose(found, expected)


def test_the_interval_of_a_difference_of_means_is_that_of_a_paired_t_test() -> None:
    a, b = simulated(seed=1, actors=9), simulated(seed=2, actors=9)
    hits = [(p.log_probs.argmax(1) == p.y).reshape(9, -1).mean(1) for p in (a, b)]
    expected = scipy_stats.ttest_rel(*hits).confidence_interval()
    found = stats.paired_difference(a, b, "wa")
    np.testing.assert_allclose([found.ci_low, found.ci_high], expected, rtol=1e-9)


def test_a_score_without_a_miss_is_not_certain() -> None:
    probs = simulated(actors=12)
    right = replace(probs, log_probs=log_softmax(99.0 * np.eye(4)[probs.y]))
    found = stats.score_intervals(right)
    for averaging in stats.AVERAGINGS:
        assert found["uar", averaging].ci_high == found["uar", averaging].value == 1.0
        assert 0.95 < found["uar", averaging].ci_low < 1.0
    missed = replace(right, y=np.where(np.arange(len(probs)) == 0, (probs.y + 1) % 4, probs.y))
    assert stats.score_intervals(missed)["wa", "pooled"].ci_low < found["wa", "pooled"].ci_low
    wrong = stats.score_intervals(replace(right, y=(probs.y + 1) % 4))["wa", "pooled"]
    assert (wrong.ci_low, wrong.value) == (0.0, 0.0)
    assert wrong.ci_high == pytest.approx(1 - found["wa", "pooled"].ci_low)
    assert all(recall.ci_low < recall.value == recall.ci_high == 1.0 for recall in stats.recalls(right))


def test_one_actor_tells_nothing_about_others() -> None:
    probs = simulated(actors=1)
    found = stats.score_intervals(probs)
    assert found["uar", "pooled"].sd is None
    for metric, highest in (("uar", 1.0), ("ece", 1.0), ("brier", 2.0), ("nll", -np.log(np.finfo(float).eps))):
        assert (found[metric, "pooled"].ci_low, found[metric, "pooled"].ci_high) == (0.0, highest)
    difference = stats.paired_difference(probs, simulated(actors=1, seed=1))
    assert (difference.ci_low, difference.ci_high) == (-1.0, 1.0)
    assert {(recall.ci_low, recall.ci_high) for recall in stats.recalls(probs)} == {(0.0, 1.0)}


def test_a_class_of_few_actors_is_known_from_those_alone() -> None:
    probs = simulated(actors=12)
    few = probs.rows((probs.y != 1) | np.isin(probs.actors, ["a01", "a02"]))
    alone = few.rows(np.isin(few.actors, ["a01", "a02"]))
    assert stats.recalls(few)[1] == stats.recalls(alone)[1]
    one = probs.rows((probs.y != 1) | (probs.actors == "a01"))
    assert (stats.recalls(one)[1].ci_low, stats.recalls(one)[1].ci_high) == (0.0, 1.0)


@pytest.mark.parametrize("actors", [2, 3, 40])
def test_intervals_hold_their_value_and_stay_in_what_a_metric_may_be(actors: int) -> None:
    for seed, gain in product(range(3), (-3.0, 0.0, 9.0)):
        for (metric, _), found in stats.score_intervals(simulated(actors=actors, seed=seed, gain=gain)).items():
            assert 0 <= found.ci_low <= found.value <= found.ci_high, metric
            assert found.ci_high <= (1 if metric[:3] in ("uar", "wa", "mac", "ece") else 37)


def test_actors_count_not_clips() -> None:
    """Ten identical takes per actor tell no more than one; an interval over clips would shrink."""
    once = simulated(actors=12, takes=4)
    many = once.rows(np.repeat(np.arange(len(once)), 10))
    narrow, wide = stats.score_intervals(many)["uar", "pooled"], stats.score_intervals(once)["uar", "pooled"]
    assert (narrow.ci_low, narrow.ci_high) == pytest.approx((wide.ci_low, wide.ci_high))


def test_the_interval_covers_about_as_often_as_it_promises() -> None:
    rng = np.random.default_rng(0)
    truth, covered, trials = 0.6, 0, 300
    for _ in range(trials):
        hit = rng.random((24, 8)) < rng.normal(truth, 0.1, 24)[:, None]
        probs = simulated(actors=24, takes=8, folds=6)
        answer = np.where(hit.ravel(), probs.y, (probs.y + 1) % 4)
        sure = replace(probs, log_probs=log_softmax(99.0 * np.eye(4)[answer]))
        interval = stats.score_intervals(sure)["wa", "pooled"]
        covered += interval.ci_low <= truth <= interval.ci_high
    assert 0.92 < covered / trials < 0.98


def test_golden_intervals_stay() -> None:
    found = {f"{metric} {averaging}": vars(i) for (metric, averaging), i in stats.score_intervals(simulated()).items()}
    golden = json.loads(GOLDEN.read_text())
    assert found.keys() == golden.keys()
    for name, interval in golden.items():
        assert found[name] == pytest.approx(interval, abs=1e-9), name


def test_an_ece_lies_in_its_interval_and_so_does_what_is_left_without_chance() -> None:
    probs = simulated(actors=12, takes=40)
    found = stats.score_intervals(probs)
    for averaging in stats.AVERAGINGS:
        for plain, debiased in stats.DEBIASED.items():
            one, two = found[plain, averaging], found[debiased, averaging]
            assert one.ci_low <= two.value <= one.value <= one.ci_high
            assert (one.ci_low, one.ci_high) == (two.ci_low, two.ci_high)


def test_a_single_fold_has_no_spread_over_folds() -> None:
    assert stats.score_intervals(simulated(folds=1))["uar", "fold_mean"].sd is None


def test_there_is_one_record_per_system_metric_and_averaging() -> None:
    predictions = table(simulated())
    records = stats.metric_records(predictions)
    assert all(tuple(record) == METRIC_FIELDS for record in records)
    keys = [(r["stream"], r["features"], r["head"], r["metric"], r["averaging"]) for r in records]
    assert len(keys) == len(set(keys)) == (len(stats.METRICS) + len(stats.DEBIASED)) * len(stats.AVERAGINGS)
    assert {(r["protocol"], r["leaky"], r["select"], r["n"]) for r in records} == {("group4", False, "val", 96)}


def test_record_values_are_those_of_averaged_seeds() -> None:
    predictions = table(simulated())
    probs = predictions.seed_averaged(("audio", "logmel", "logreg"))
    record = next(r for r in stats.metric_records(predictions) if (r["metric"], r["averaging"]) == ("uar", "pooled"))
    assert record["value"] == pytest.approx(metrics.uar(probs.y, metrics.decide(probs.probs)))
    assert record["ci_low"] < record["value"] < record["ci_high"]


def test_score_rows_hold_every_seed_fold_and_the_pooled_score() -> None:
    predictions = table(simulated())
    rows = stats.score_rows(predictions)
    assert len(rows) == 3 * (4 + 1)
    assert {row["fold"] for row in rows if row["averaging"] == "pooled"} == {-1}
    one = next(row for row in rows if (row["seed"], row["fold"]) == (2, 3))
    probs = predictions.seed_scores(("audio", "logmel", "logreg"), 2)
    own = probs.folds == 3
    expected = metrics.evaluate(probs.y[own], probs.probs[own])
    for name in ("uar", "wa", "macro_f1"):
        assert one[name] == pytest.approx(expected[name])
    for name in ("nll", "brier", "ece"):
        assert one[f"{name}_uncalibrated"] == pytest.approx(expected[name])
    assert one["n"] == own.sum()


def test_recalls_average_to_the_uar() -> None:
    probs = simulated()
    found = stats.recalls(probs)
    assert [recall.label for recall in found] == list(CLASSES)
    assert np.mean([recall.value for recall in found]) == pytest.approx(
        metrics.uar(probs.y, metrics.decide(probs.probs))
    )
    assert all(recall.ci_low <= recall.value <= recall.ci_high for recall in found)
    assert sum(recall.n for recall in found) == len(probs)


def test_a_class_nobody_plays_has_no_recall() -> None:
    probs = simulated()
    assert [r.label for r in stats.recalls(probs.rows(probs.y != 1))] == ["calm", "sad", "angry"]


def test_a_system_does_not_differ_from_itself() -> None:
    difference = stats.paired_difference(simulated(), simulated())
    assert (difference.value, difference.ci_low, difference.ci_high) == (0.0, 0.0, 0.0)


def test_a_difference_is_joined_by_performance_whatever_the_order_or_folds() -> None:
    a, b = simulated(seed=1, gain=2.0), simulated(seed=2, gain=0.5, leaky=True)
    order = np.random.default_rng(0).permutation(len(b))
    straight, shuffled = stats.paired_difference(a, b), stats.paired_difference(a, b.rows(order))
    assert vars(straight) == pytest.approx(vars(shuffled))
    assert straight.value == pytest.approx(straight.value_a - straight.value_b)
    assert straight.ci_low < straight.value < straight.ci_high
    assert straight.n == len(a)


def test_pairing_narrows_the_interval_of_systems_that_fail_together() -> None:
    a = simulated(seed=1)
    b = replace(a, log_probs=np.log(0.8 * a.probs + 0.2 * simulated(seed=2).probs))
    paired = stats.paired_difference(a, b)
    alone = stats.score_intervals(a)["uar", "pooled"]
    assert paired.ci_high - paired.ci_low < alone.ci_high - alone.ci_low


def test_different_performances_are_refused_with_counts_and_ids() -> None:
    probs = simulated()
    with pytest.raises(
        PredictionsError, match=r"2 performances only on the first side \['00-0000', '00-0001'\], 0 only"
    ):
        stats.paired_difference(probs, probs.rows(slice(2, None)))


def test_contradicting_facts_are_refused() -> None:
    probs = simulated()
    moved = replace(probs, y=np.roll(probs.y, 1))
    with pytest.raises(PredictionsError, match="performance 00-0000 has actor and label"):
        stats.paired_difference(probs, moved)
    renamed = replace(probs, classes=("a", "b", "c", "d"))
    with pytest.raises(PredictionsError, match="classes differ"):
        stats.paired_difference(probs, renamed)
    with pytest.raises(PredictionsError, match="stand twice on one side"):
        stats.paired_difference(probs.rows([0, 0, 1]), probs.rows([0, 0, 1]))
    with pytest.raises(PredictionsError, match="no metric 'acc'"):
        stats.paired_difference(probs, probs, "acc")


def test_metrics_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "metrics.json"
    stats.write_metrics(target, stats.metric_records(table(simulated())))
    assert len(json.loads(target.read_text())) == (len(stats.METRICS) + len(stats.DEBIASED)) * len(stats.AVERAGINGS)
    before = target.read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        stats.write_metrics(target, [{"value": float("nan")}])
    assert target.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]
