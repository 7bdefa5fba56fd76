"""Check that the files of a run belong to its predictions: everything is computed again and compared."""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations, product
from pathlib import Path
from typing import Any, cast

import numpy as np

from ravfeat.calibrate import Calibration, calibrate, calibration_record
from ravfeat.errors import PredictionsError
from ravfeat.fusion import Fusion, fuse, fusion_record
from ravfeat.predictions import SYSTEM_COLUMNS, Predictions, System
from ravfeat.runs.format import (
    AGAIN,
    CALIBRATION_FILE,
    DIFFERENCES_FILE,
    FUSION_FILE,
    LAYER_WEIGHTS_FILE,
    METRICS_FILE,
    PREDICTIONS_FILE,
    RECIPE_FILE,
    SCORES_FILE,
)
from ravfeat.runs.recipe import Recipe, read_recipe
from ravfeat.runs.records import (
    DifferenceRecord,
    LayerWeightsEntry,
    MetricRecord,
    ScoreRow,
    SystemName,
    read_calibration,
    read_differences,
    read_fusion,
    read_layer_weights,
    read_metrics,
    read_scores,
)
from ravfeat.schema import FUSED_STREAMS
from ravfeat.stats import AVERAGINGS, METRICS, Compared, difference_records, family, holm, metric_records, score_rows
from ravfeat.stats.percentile import percentile_intervals

__all__ = [
    "check_calibration",
    "check_differences",
    "check_fusion",
    "check_layer_weights",
    "check_metrics",
    "check_pairs",
    "check_recipe",
    "check_scores",
]

_ROUNDING = 1e-6
"""Scores are sums: another numpy may move the last digits."""

_FITTED = 1e-3
"""Temperatures and weights are searched for: another machine may stop a little earlier."""

_REPLACED = f"one of them was replaced, or is of another version: {AGAIN}"

Key = tuple[str, ...]


def check_metrics(run: Path, predictions: Predictions) -> list[MetricRecord]:
    """Read ``metrics.json``, and refuse it where its numbers were not made from the predictions beside it.

    Returns
    -------
    list of MetricRecord
        With intervals as they are made today; records that do not say how theirs were made are held against those of
        before, and then exchanged.

    Raises
    ------
    PredictionsError
        For records that are damaged, of other systems, or with other values.
    """
    path, records = run / METRICS_FILE, read_metrics(run)
    again = metric_records(predictions)
    stored = again
    if not any("interval" in record for record in records):
        stored = metric_records(predictions, percentile_intervals)
        for record in stored:
            del record["interval"]  # which they do not have
    expected = {_metric_key(record): record for record in stored}
    by_key = _by_key(records, _metric_key)
    _check_keys(by_key, expected, len(records), path)
    for key in sorted(expected):
        _check_value(by_key[key]["value"], expected[key]["value"], " / ".join(key), path)
        _check_equal(by_key[key], expected[key], " / ".join(key), path)  # the interval too
    return cast("list[MetricRecord]", again)


def check_recipe(run: Path, predictions: Predictions) -> Recipe:
    """Read ``recipe.json``, and refuse it where it tells of another protocol, classes or seeds than the predictions.

    Raises
    ------
    PredictionsError
        See `ravfeat.runs.recipe.read_recipe`; for a recipe of another run.
    """
    recipe = read_recipe(run)
    seeds = max(len(predictions.seeds(system)) for system in predictions.systems())
    about = {name: getattr(predictions, name) for name in ("protocol", "leaky", "select")}
    for name, value in {**about, "classes": list(predictions.classes), "seeds": seeds}.items():
        if name in recipe.record:  # recipes of older versions may not tell
            _check_equal(recipe.record[name], value, name, run / RECIPE_FILE)
    return recipe


def check_calibration(run: Path, predictions: Predictions) -> dict[System, Calibration]:
    """Refuse a ``calibration.json`` with temperatures that the rows do not give; give all systems at theirs.

    Raises
    ------
    PredictionsError
        For entries that are damaged, of other systems or folds, or with other temperatures.
    """
    path, entries = run / CALIBRATION_FILE, read_calibration(run)
    expected = {_fold_key(entry): entry for entry in calibration_record(predictions)}
    by_key = _by_key(entries, _fold_key)
    _check_keys(by_key, expected, len(entries), path)
    for key in expected:
        _check_equal(by_key[key], expected[key], " / ".join(key), path)
    return {system: calibrate(predictions, system) for system in predictions.systems()}


def check_fusion(run: Path, predictions: Predictions) -> Fusion:
    """Refuse a ``fusion.json``, or fused rows, that the systems beside them do not give.

    Raises
    ------
    PredictionsError
        For a damaged file; other systems, weights, choices or scores; other rows of the fused streams.
    """
    path, record = run / FUSION_FILE, read_fusion(run)
    try:
        again, fusion = fuse(predictions, record["rule"])
    except PredictionsError as error:
        raise PredictionsError(f"{path}: {error}") from error
    _check_equal(record, json.loads(json.dumps(fusion_record(fusion, again))), "", path)
    if again.systems() != predictions.systems():
        odd = sorted(set(again.systems()) ^ set(predictions.systems()))[0]
        raise PredictionsError(f"{path} does not belong to {PREDICTIONS_FILE} beside it: {odd}; {AGAIN}")
    for system in again.systems():
        if system.stream in FUSED_STREAMS:
            _check_rows(predictions, again, system, path)
    return fusion


def check_differences(run: Path, calibrations: Mapping[System, Calibration]) -> list[DifferenceRecord]:
    """Refuse a ``differences.json`` of other systems, or whose differences are not those of ``metrics.json``.

    The report makes intervals and p-values itself, so they are not compared; corrected ones follow from the others.

    Raises
    ------
    PredictionsError
    """
    path, entries = run / DIFFERENCES_FILE, read_differences(run)
    scores = {(_name(record), record["metric"], record["averaging"]): record for record in read_metrics(run)}
    expected: dict[Key, dict[str, Any]] = {}
    for a, b in _pairs(calibrations):
        for metric, averaging in product(METRICS, AVERAGINGS):
            records = [scores.get((str(system), metric, averaging)) for system in (a, b)]
            if records[0] is None or records[1] is None:
                raise PredictionsError(
                    f"{run / METRICS_FILE} lacks the {averaging} {metric} of {a} or of {b}; {_REPLACED}"
                )
            value_a, value_b = (record["value"] for record in records if record)
            about = {name: records[0][name] for name in ("protocol", "leaky", "select")}
            values = {"value_a": value_a, "value_b": value_b, "value": value_a - value_b}
            expected[str(a), str(b), metric, averaging] = about | values
    by_key = _by_key(entries, _pair_key)
    _check_keys(by_key, expected, len(entries), path)
    for key, record in expected.items():
        _check_value(by_key[key]["value"], record["value"], " / ".join(key), path)
        _check_equal(by_key[key], record, " / ".join(key), path)
    for metric in METRICS:
        tested = [entry for entry in entries if entry["metric"] == metric and entry["p"] is not None]
        named = family(len(tested), "the run")
        for entry, corrected in zip(tested, holm([entry["p"] or 0.0 for entry in tested]), strict=True):
            expected_p = {"p_holm": corrected} | ({"family": named} if "family" in entry else {})  # old runs do not say
            _check_equal(entry, expected_p, " / ".join(_pair_key(entry)), path)
    return entries


def check_pairs(run: Path, predictions: Predictions) -> None:
    """Make the differences of every two systems again, intervals and p-values too, and refuse a file with others.

    Intervals of older runs were made in another way, and are not compared.

    Raises
    ------
    PredictionsError
        See `check_differences`, too.
    """
    calibrations = {system: calibrate(predictions, system) for system in predictions.systems()}
    entries = check_differences(run, calibrations)
    by_key = {_pair_key(entry): entry for entry in entries if "interval" in entry}
    for record in difference_records(predictions) if by_key else ():
        key = _pair_key(record)
        if key in by_key:
            _check_equal(by_key[key], json.loads(json.dumps(record)), " / ".join(key), run / DIFFERENCES_FILE)


def check_layer_weights(run: Path, predictions: Predictions) -> list[LayerWeightsEntry]:
    """Read ``layer_weights.json``, and refuse weights of heads that predicted nothing.

    Raises
    ------
    PredictionsError
    """
    entries = read_layer_weights(run)
    heads = set(map(tuple, _head_rows(predictions)))
    for entry in entries:
        head = (entry["stream"], entry["features"], entry["head"], entry["seed"], entry["fold"])
        if head not in heads:
            raise PredictionsError(
                f"{run / LAYER_WEIGHTS_FILE} has weights of {_name(entry)}, seed {entry['seed']}, fold {entry['fold']},"
                f" which predicted nothing in {PREDICTIONS_FILE} beside it; {_REPLACED}"
            )
    return entries


def _head_rows(predictions: Predictions) -> Iterator[Sequence[object]]:
    key = [*SYSTEM_COLUMNS, "seed", "fold"]
    for row in predictions.table.select(key).group_by(key).aggregate([]).to_pylist():
        yield [row[name] for name in key]


def check_scores(run: Path, predictions: Predictions) -> list[ScoreRow]:
    """Refuse a ``scores.parquet`` that the predictions beside it do not give.

    Raises
    ------
    PredictionsError
    """
    rows, expected = read_scores(run), score_rows(predictions)
    if len(rows) != len(expected):
        raise PredictionsError(f"{run / SCORES_FILE} has {len(rows)} rows, {PREDICTIONS_FILE} gives {len(expected)}")
    for row, again in zip(rows, expected, strict=True):
        values: Mapping[str, Any] = dict(row)
        for name, value in again.items():
            same = (
                np.isclose(values[name], value, atol=_ROUNDING) if isinstance(value, float) else values[name] == value
            )
            if not same:
                raise PredictionsError(
                    f"{run / SCORES_FILE} says {name} = {values[name]!r} where {PREDICTIONS_FILE} gives {value!r}"
                    f" ({_name(row)}, seed {again['seed']})"
                )
    return rows


def _pairs(calibrations: Mapping[System, Calibration]) -> Iterator[tuple[System, System]]:
    """Give every two systems that tested the same performances."""
    facts = {system: Compared(calibration.test).facts for system, calibration in calibrations.items()}
    yield from ((a, b) for a, b in combinations(sorted(facts), 2) if facts[a] == facts[b])


def _check_rows(predictions: Predictions, again: Predictions, system: System, path: Path) -> None:
    for split in ("test", "val"):
        if not again.has_split(system, split):
            continue
        stored, fused = predictions.seed_averaged(system, split), again.seed_averaged(system, split)
        same = stored.clip_ids.tolist() == fused.clip_ids.tolist()
        if not same or not np.allclose(stored.probs, fused.probs, atol=_FITTED):
            raise PredictionsError(
                f"the {split} rows of {system} in {PREDICTIONS_FILE} beside {path} are not what its systems and"
                f" weights give; {_REPLACED}"
            )


def _by_key(records: Sequence[Any], key: Callable[[Any], Key]) -> dict[Key, Any]:
    return {key(record): record for record in records}


def _check_keys(stored: Mapping[Any, Any], expected: Mapping[Any, Any], n: int, path: Path) -> None:
    if stored.keys() != expected.keys() or len(stored) != n:
        odd = [" / ".join(key) for key in sorted(stored.keys() ^ expected.keys())] or ["some record stands twice"]
        raise PredictionsError(f"{path} does not belong to {PREDICTIONS_FILE} beside it: {odd[0]}; {AGAIN}")


def _check_value(stored: float, expected: float, where: str, path: Path) -> None:
    if not math.isclose(stored, expected, rel_tol=0, abs_tol=_ROUNDING):
        raise PredictionsError(
            f"{path} says {stored:.6f} for {where}, {PREDICTIONS_FILE} beside it gives {expected:.6f}; {_REPLACED}"
        )


def _check_equal(stored: object, expected: object, where: str, path: Path) -> None:
    odd = next(_differences(stored, expected, where), None)
    if odd is not None:
        place, value, again = odd
        raise PredictionsError(
            f"{path} says {value!r} for {place}, {PREDICTIONS_FILE} beside it gives {again!r}; {_REPLACED}"
        )


def _differences(stored: object, expected: object, where: str) -> Iterator[tuple[str, object, object]]:
    """Find where two JSON values differ; numbers may by a little."""
    if isinstance(expected, Mapping) and isinstance(stored, Mapping) and stored.keys() >= expected.keys():
        for name in expected:
            yield from _differences(stored[name], expected[name], f"{where} {name}".strip())
    elif isinstance(expected, list) and isinstance(stored, list) and len(stored) == len(expected):
        for number, (value, again) in enumerate(zip(stored, expected, strict=True)):
            yield from _differences(value, again, f"{where} {number}")
    elif isinstance(expected, float) and isinstance(stored, int | float):
        if not math.isclose(stored, expected, rel_tol=_FITTED, abs_tol=_FITTED):
            yield where, stored, expected
    elif stored != expected:
        yield where, stored, expected


def _name(record: SystemName) -> str:
    return str(System(record["stream"], record["features"], record["head"]))


def _metric_key(record: Mapping[str, Any]) -> Key:
    names = ("stream", "features", "head", "protocol", "leaky", "select", "metric", "averaging", "n")
    return tuple(str(record[name]) for name in names)


def _fold_key(entry: Any) -> Key:
    return _name(entry), f"fold {entry['fold']}"


def _pair_key(entry: Any) -> Key:
    return _name(entry["a"]), _name(entry["b"]), entry["metric"], entry["averaging"]
