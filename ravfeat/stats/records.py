"""Records of ``metrics.json`` and ``differences.json``, rows of ``scores.parquet``."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np

from ravfeat import metrics
from ravfeat.calibrate import calibrate
from ravfeat.files import replace_file
from ravfeat.predictions import Predictions, SystemProbs
from ravfeat.schema import DIFFERENCE_FIELDS, INTERVAL, METRIC_FIELDS
from ravfeat.stats.intervals import Interval, score_intervals
from ravfeat.stats.paired import Compared, Pairing
from ravfeat.stats.permutation import family, holm
from ravfeat.stats.sums import AVERAGINGS, METRICS, Averaging

__all__ = ["difference_records", "fold_scores", "metric_records", "score_rows", "write_metrics"]

Intervals = Callable[[SystemProbs], Mapping[tuple[str, Averaging], Interval]]

_DECISIONS = ("uar", "wa", "macro_f1")
_QUALITIES = ("nll", "brier", "ece")


def metric_records(predictions: Predictions, intervals: Intervals = score_intervals) -> list[dict[str, Any]]:
    """Make the records of ``metrics.json``.

    Exactly one record per (stream, features, head, metric, averaging), with the fields of
    `schema.METRIC_FIELDS`: ``value`` scores the seed-averaged probabilities of the test rows, at
    the temperature of their fold (`ravfeat.calibrate.calibrate`) and, for the metrics that end in
    ``_uncalibrated``, as the system said them; ``sd``, ``ci_low`` and ``ci_high`` are those of
    `Interval`, ``interval`` says how they were made, ``n`` counts test clips.

    Parameters
    ----------
    predictions : Predictions
    intervals : function
        `ravfeat.stats.percentile.percentile_intervals` for what older runs hold.
    """
    records = []
    for system in predictions.systems():
        probs = calibrate(predictions, system).test
        metrics.validate(probs.y, probs.probs)
        for (metric, averaging), interval in intervals(probs).items():
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
                "interval": INTERVAL,
                "n": len(probs),
            }
            records.append({field: record[field] for field in METRIC_FIELDS})
    return records


def difference_records(predictions: Predictions) -> list[dict[str, Any]]:
    """Make the records of ``differences.json``: every two systems that tested the same performances.

    Exactly one record per pair, metric and averaging, with the fields of `schema.DIFFERENCE_FIELDS`. The
    p-values of a metric's pooled rows are corrected together (Holm), so ``p_holm`` holds for a reader who
    looks at all pairs, and ``family`` names them; ``fold_mean`` rows and ECE have neither.
    """
    compared = {system: Compared(calibrate(predictions, system).test) for system in predictions.systems()}
    rows = []
    for a, b in combinations(compared, 2):
        if compared[a].facts != compared[b].facts:
            continue  # other clips: their difference would not be one of the systems
        pairing = Pairing(compared[a], compared[b])
        for metric, averaging in product(METRICS, AVERAGINGS):
            difference = pairing.difference(metric, averaging)
            names = {"a": a._asdict(), "b": b._asdict()}
            rows.append(names | asdict(difference) | {"interval": INTERVAL, "p_holm": None, "family": None})
    # All pairs in one metric are one family of tests, corrected together.
    for metric in METRICS:
        tested = [row for row in rows if row["metric"] == metric and row["p"] is not None]
        for row, corrected in zip(tested, holm([row["p"] for row in tested]), strict=True):
            row |= {"p_holm": corrected, "family": family(len(tested), "the run")}
    about = {name: getattr(predictions, name) for name in ("protocol", "leaky", "select")}
    return [{field: (row | about)[field] for field in DIFFERENCE_FIELDS} for row in rows]


def score_rows(predictions: Predictions) -> list[dict[str, Any]]:
    """Make the rows of ``scores.parquet``: single seeds, per fold and over all folds, as the systems said.

    Returns
    -------
    list of dict
        Keys stream, features, head, protocol, leaky, select, synthetic, seed, split, averaging,
        fold, uar, wa, macro_f1, nll_uncalibrated, brier_uncalibrated, ece_uncalibrated, n. A row with
        averaging ``fold`` scores one fold; a row with averaging ``pooled`` scores all rows of the seed
        and split at once and has fold -1. ``n`` counts rows; a validation clip that serves several folds
        counts in each.
    """
    about = {name: getattr(predictions, name) for name in ("protocol", "leaky", "select", "synthetic")}
    rows = []
    for system in predictions.systems():
        table = predictions.select_system(system)
        present = set(table.table["split"].to_pylist())
        for seed in table.seeds(system):
            for split in (name for name in ("test", "val") if name in present):
                probs = table.seed_scores(system, seed, split)
                key = {**system._asdict(), **about, "seed": seed, "split": split}
                for fold in np.unique(probs.folds).tolist():
                    rows.append(
                        {**key, "averaging": "fold", "fold": fold, **_raw_scores(probs.rows(probs.folds == fold))}
                    )
                rows.append({**key, "averaging": "pooled", "fold": -1, **_raw_scores(probs)})
    return rows


def fold_scores(probs: SystemProbs) -> list[dict[str, Any]]:
    """Score each fold by itself: dicts with fold, every metric and n, by ascending fold."""
    rows = []
    for fold in np.unique(probs.folds).tolist():
        rows_of_fold = probs.rows(probs.folds == fold)
        values = metrics.evaluate(rows_of_fold.y, rows_of_fold.probs)
        rows.append({"fold": fold, **values, **_raw_scores(rows_of_fold)})
    return rows


def write_metrics(path: Path, records: Sequence[dict[str, Any]]) -> None:
    """Write ``metrics.json``: a flat JSON list, whole or not at all."""
    # NaN is not JSON: better an error here than a file that other programs cannot read.
    text = json.dumps(list(records), indent=1, allow_nan=False)
    replace_file(path, f"{text}\n".encode())


def _raw_scores(probs: SystemProbs) -> dict[str, Any]:
    """Score the probabilities as the system gave them, before any temperature."""
    values = metrics.evaluate(probs.y, probs.uncalibrated)
    qualities = {f"{name}_uncalibrated": values[name] for name in _QUALITIES}
    return {name: values[name] for name in _DECISIONS} | qualities | {"n": len(probs)}
