"""Rows of ``metrics.json`` and ``scores.parquet``.

Offers
------
metric_records, score_rows, fold_scores, write_metrics.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat import metrics
from ravfeat.files import replace_file
from ravfeat.predictions import Predictions, SystemProbs
from ravfeat.schema import METRIC_FIELDS
from ravfeat.stats.intervals import bootstrap
from ravfeat.stats.sums import METRICS

__all__ = ["fold_scores", "metric_records", "score_rows", "write_metrics"]


def metric_records(predictions: Predictions) -> list[dict[str, Any]]:
    """Make the records of ``metrics.json``.

    Exactly one record per (stream, features, head, metric, averaging), with the fields of
    `schema.METRIC_FIELDS`: ``value`` scores the seed-averaged probabilities of the test rows,
    ``sd``, ``ci_low`` and ``ci_high`` are those of `Interval`, ``n`` counts test clips.
    """
    records = []
    for system in predictions.systems():
        probs = predictions.seed_averaged(system)
        metrics.validate(probs.y, probs.probs)
        for (metric, averaging), interval in bootstrap(probs).items():
            record = {
                **system._asdict(),
                "protocol": predictions.protocol,
                "leaky": predictions.leaky,
                "select": predictions.select,
                "metric": metric,
                "averaging": averaging,
                "value": interval.value,
                "sd": interval.sd,
                "ci_low": interval.ci_low,
                "ci_high": interval.ci_high,
                "n": len(probs),
            }
            records.append({field: record[field] for field in METRIC_FIELDS})
    return records


def score_rows(predictions: Predictions) -> list[dict[str, Any]]:
    """Make the rows of ``scores.parquet``: single seeds, per fold and over all folds.

    Returns
    -------
    list of dict
        Keys stream, features, head, protocol, leaky, select, synthetic, seed, split, averaging,
        fold, uar, wa, macro_f1, nll, ece, n. A row with averaging ``fold`` scores one fold; a row
        with averaging ``pooled`` scores all rows of the seed and split at once and has fold -1.
        ``n`` counts rows; a validation clip that serves several folds counts in each.
    """
    about = {name: getattr(predictions, name) for name in ("protocol", "leaky", "select", "synthetic")}
    rows = []
    for system in predictions.systems():
        own = predictions.select_system(system)
        present = set(own.table["split"].to_pylist())
        for seed in own.seeds(system):
            for split in (name for name in ("test", "val") if name in present):
                probs = own.seed_scores(system, seed, split)
                key = {**system._asdict(), **about, "seed": seed, "split": split}
                rows += [{**key, "averaging": "fold", **scores} for scores in fold_scores(probs)]
                rows.append({**key, "averaging": "pooled", "fold": -1, **_scores(probs.y, probs.probs)})
    return rows


def fold_scores(probs: SystemProbs) -> list[dict[str, Any]]:
    """Score each fold by itself: dicts with fold, the five metrics and n, by ascending fold."""
    rows = []
    for fold in np.unique(probs.folds):
        own = probs.folds == fold
        rows.append({"fold": int(fold), **_scores(probs.y[own], probs.probs[own])})
    return rows


def write_metrics(path: Path, records: Sequence[dict[str, Any]]) -> None:
    """Write ``metrics.json``: a flat JSON list, whole or not at all."""
    text = json.dumps(list(records), indent=1, allow_nan=False)
    replace_file(path, f"{text}\n".encode())


def _scores(y: NDArray[np.int64], probs: NDArray[np.float64]) -> dict[str, Any]:
    values = metrics.evaluate(y, probs)
    return {**{name: values[name] for name in METRICS}, "n": len(y)}
