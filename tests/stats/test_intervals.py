"""Intervals over actors, and the records of a run's metrics."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from ravfeat import metrics, stats
from ravfeat.errors import PredictionsError
from ravfeat.numerics.softmax import log_softmax
from ravfeat.predictions import Predictions, SystemProbs
from ravfeat.schema import METRIC_FIELDS
from ravfeat.stats.intervals import draw_actors

GOLDEN = Path(__file__).parent.parent / "golden" / "bootstrap.json"
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
    found = stats.bootstrap(probs)
    pooled = metrics.evaluate(probs.y, probs.probs)
    by_fold = [metrics.evaluate(probs.y[probs.folds == f], probs.probs[probs.folds == f]) for f in range(4)]
    for name in stats.METRICS:
        own = name.removesuffix("_uncalibrated")  # nothing was calibrated here
        assert found[name, "pooled"].value == pytest.approx(pooled[own], abs=1e-12)
        scores = [fold[own] for fold in by_fold]
        assert found[name, "fold_mean"].value == pytest.approx(np.mean(scores), abs=1e-12)
        assert found[name, "fold_mean"].sd == pytest.approx(np.std(scores, ddof=1), abs=1e-12)


def test_draws_equal_a_bootstrap_that_really_copies_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ravfeat.stats.intervals.DRAWS", 40)
    probs = simulated(actors=5, folds=3)
    names = np.unique(probs.actors)
    copied: dict[str, list[float]] = {"pooled": [], "fold_mean": []}
    for weights in draw_actors(5).astype(int):
        rows = np.concatenate(
            [np.flatnonzero(probs.actors == a) for a, w in zip(names, weights, strict=True) for _ in range(w)]
        )
        y, predicted, folds = probs.y[rows], metrics.decide(probs.probs[rows]), probs.folds[rows]
        copied["pooled"].append(balanced_accuracy_score(y, predicted))
        drawn = [balanced_accuracy_score(y[folds == f], predicted[folds == f]) for f in np.unique(folds)]
        share = [
            sum(weights[i] for i in range(5) if i % 3 == f) / sum(i % 3 == f for i in range(5))
            for f in np.unique(folds)
        ]
        copied["fold_mean"].append(float(np.average(drawn, weights=share)))
    found = stats.bootstrap(probs)
    for averaging in stats.AVERAGINGS:
        interval = found["uar", averaging]
        expected = np.percentile(copied[averaging], [2.5, 97.5])
        np.testing.assert_allclose([interval.ci_low, interval.ci_high], expected, atol=1e-12)
    assert found["uar", "pooled"].sd == pytest.approx(np.std(copied["pooled"], ddof=1))


def test_actors_are_drawn_not_clips() -> None:
    """Ten identical takes per actor tell no more than one; an interval over clips would shrink."""
    once = simulated(actors=12, takes=4)
    many = once.rows(np.repeat(np.arange(len(once)), 10))
    narrow, wide = stats.bootstrap(many)["uar", "pooled"], stats.bootstrap(once)["uar", "pooled"]
    assert (narrow.ci_low, narrow.ci_high) == pytest.approx((wide.ci_low, wide.ci_high))


def test_the_interval_covers_about_as_often_as_it_promises() -> None:
    rng = np.random.default_rng(0)
    truth, covered, trials = 0.6, 0, 60
    for _ in range(trials):
        hit = rng.random((24, 8)) < rng.normal(truth, 0.1, 24)[:, None]
        probs = simulated(actors=24, takes=8, folds=6)
        answer = np.where(hit.ravel(), probs.y, (probs.y + 1) % 4)
        interval = stats.bootstrap(replace(probs, log_probs=log_softmax(99.0 * np.eye(4)[answer])))["wa", "pooled"]
        covered += interval.ci_low <= truth <= interval.ci_high
    assert 0.85 < covered / trials <= 1.0


def test_golden_intervals_stay() -> None:
    found = {f"{metric} {averaging}": vars(i) for (metric, averaging), i in stats.bootstrap(simulated()).items()}
    golden = json.loads(GOLDEN.read_text())
    assert found.keys() == golden.keys()
    for name, interval in golden.items():
        assert found[name] == pytest.approx(interval, abs=1e-9), name


def test_a_single_fold_has_no_spread_over_folds() -> None:
    assert stats.bootstrap(simulated(folds=1))["uar", "fold_mean"].sd is None


def test_there_is_one_record_per_system_metric_and_averaging() -> None:
    predictions = table(simulated())
    records = stats.metric_records(predictions)
    assert all(tuple(record) == METRIC_FIELDS for record in records)
    keys = [(r["stream"], r["features"], r["head"], r["metric"], r["averaging"]) for r in records]
    assert len(keys) == len(set(keys)) == len(stats.METRICS) * len(stats.AVERAGINGS)
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
    alone = stats.bootstrap(a)["uar", "pooled"]
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
    assert len(json.loads(target.read_text())) == len(stats.METRICS) * len(stats.AVERAGINGS)
    before = target.read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        stats.write_metrics(target, [{"value": float("nan")}])
    assert target.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]
