"""Percentile bootstraps: the intervals of runs of before."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from ravfeat import metrics, stats
from ravfeat.stats import percentile
from ravfeat.stats.percentile import draw_actors, percentile_intervals
from tests.stats.test_intervals import simulated

GOLDEN = Path(__file__).parent.parent / "golden" / "bootstrap.json"


def test_draws_equal_a_bootstrap_that_really_copies_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(percentile, "DRAWS", 40)
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
    found = percentile_intervals(probs)
    for averaging in stats.AVERAGINGS:
        interval = found["uar", averaging]
        expected = np.percentile(copied[averaging], [2.5, 97.5])
        np.testing.assert_allclose([interval.ci_low, interval.ci_high], expected, atol=1e-12)
    assert found["uar", "pooled"].sd == pytest.approx(np.std(copied["pooled"], ddof=1))


def test_golden_intervals_stay() -> None:
    found = {f"{metric} {averaging}": asdict(i) for (metric, averaging), i in percentile_intervals(simulated()).items()}
    golden = json.loads(GOLDEN.read_text())
    assert found.keys() == golden.keys()
    for name, interval in golden.items():
        assert found[name] == pytest.approx(interval, abs=1e-9), name
