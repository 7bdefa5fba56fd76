"""Whether the files of a run belong to the predictions beside them: everything is made again and compared."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from pathlib import Path
from typing import Any, get_args

import numpy as np

from ravfeat.calibrate import Calibration, calibrate, calibration_record
from ravfeat.errors import PredictionsError
from ravfeat.fusion import Fusion, fuse, fusion_record
from ravfeat.predictions import Predictions, System
from ravfeat.schema import DIFFERENCE_FIELDS, FUSED_STREAMS, METRIC_FIELDS, Rule
from ravfeat.stats import AVERAGINGS, METRICS, Compared, metric_records

__all__ = ["check_calibration", "check_differences", "check_fusion", "check_records"]

# Scores are sums: another numpy may move the last digits.
_AGREEMENT = 1e-6
# Temperatures and weights are searched for: another machine may stop a little earlier.
_FITTED = 1e-3
_AGAIN = "one of them was replaced, or is of another version: make the run again"

Entries = Sequence[Any]


def check_records(records: Entries, predictions: Predictions, path: Path) -> None:
    """Refuse a ``metrics.json`` whose numbers were not made from the predictions beside it.

    Raises
    ------
    PredictionsError
        Records without their fields, of other systems, or with other values.
    """
    expected = {_record_key(record): record for record in metric_records(predictions)}
    with_fields = _keyed(records, _record_key, METRIC_FIELDS, path)
    _check_keys(with_fields, expected, len(records), path)
    for key in sorted(expected):
        _check_value(with_fields[key]["value"], expected[key]["value"], " / ".join(key), path)


def check_calibration(entries: Entries, predictions: Predictions, path: Path) -> dict[System, Calibration]:
    """Refuse a ``calibration.json`` with temperatures that the rows do not give; give all systems at theirs.

    Raises
    ------
    PredictionsError
        Entries without their fields, of other systems or folds, or with other temperatures.
    """
    expected = {_fold_key(entry): entry for entry in calibration_record(predictions)}
    found = _keyed(entries, _fold_key, ("stream", "features", "head", "fold", "temperature", "at_bound"), path)
    _check_keys(found, expected, len(entries), path)
    for key in expected:
        _refuse_other(found[key], expected[key], " / ".join(key), path)
    return {system: calibrate(predictions, system) for system in predictions.systems()}


def check_fusion(record: Mapping[str, Any], predictions: Predictions, path: Path) -> Fusion:
    """Refuse a ``fusion.json``, or fused rows, that the systems beside them do not give.

    Raises
    ------
    PredictionsError
        An unknown rule, other systems, weights, choices or scores; other rows of the fused streams.
    """
    try:
        again, fusion = fuse(predictions, _rule(record, path))
    except PredictionsError as error:
        raise PredictionsError(f"{path}: {error}") from error
    _refuse_other(record, json.loads(json.dumps(fusion_record(fusion, again))), "", path)
    if again.systems() != predictions.systems():
        odd = sorted(set(again.systems()) ^ set(predictions.systems()))[0]
        raise PredictionsError(f"{path} does not belong to predictions.parquet beside it: {odd}; make the run again")
    for system in again.systems():
        if system.stream in FUSED_STREAMS:
            _check_rows(predictions, again, system, path)
    return fusion


def check_differences(
    entries: Entries, records: Entries, calibrations: Mapping[System, Calibration], path: Path
) -> None:
    """Refuse a ``differences.json`` of other systems, or whose differences are not those of ``metrics.json``.

    The report makes intervals and p-values itself, so they are not compared.

    Raises
    ------
    PredictionsError
    """
    scores = {
        (_system_key(one), str(one["metric"]), str(one["averaging"])): _number(
            one["value"], path.with_name("metrics.json")
        )
        for one in _keyed(records, _record_key, METRIC_FIELDS, path.with_name("metrics.json")).values()
    }
    expected: dict[tuple[str, ...], float] = {}
    for a, b in _pairs(calibrations):
        for metric, averaging in product(METRICS, AVERAGINGS):
            ours, theirs = (scores.get((str(one), metric, averaging)) for one in (a, b))
            if ours is None or theirs is None:
                raise PredictionsError(
                    f"{path.with_name('metrics.json')} lacks the {averaging} {metric} of {a} or of {b}; {_AGAIN}"
                )
            difference = ours - theirs
            expected[str(a), str(b), metric, averaging] = difference
    found = _keyed(entries, _pair_key, DIFFERENCE_FIELDS, path)
    _check_keys(found, expected, len(entries), path)
    for key, value in expected.items():
        _check_value(found[key]["value"], value, " / ".join(key), path)


def _number(value: object, path: Path) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PredictionsError(f"{path} has the value {value!r}, expected a number; make the run again")
    return float(value)


def _rule(record: Mapping[str, Any], path: Path) -> Rule:
    rules: tuple[Rule, ...] = get_args(Rule)
    for rule in rules:
        if record.get("rule") == rule:
            return rule
    raise PredictionsError(
        f"{path} has the rule {record.get('rule')!r}, expected one of {', '.join(rules)}; make the run again"
    )


def _pairs(calibrations: Mapping[System, Calibration]) -> Iterator[tuple[System, System]]:
    facts = {system: Compared(one.test).facts for system, one in calibrations.items()}
    yield from ((a, b) for a, b in combinations(sorted(facts), 2) if facts[a] == facts[b])


def _check_rows(predictions: Predictions, again: Predictions, system: System, path: Path) -> None:
    for split in ("test", "val"):
        if not again.has_split(system, split):
            continue
        here, there = predictions.seed_averaged(system, split), again.seed_averaged(system, split)
        if here.clip_ids.tolist() != there.clip_ids.tolist() or not np.allclose(here.probs, there.probs, atol=_FITTED):
            raise PredictionsError(
                f"the {split} rows of {system} in predictions.parquet beside {path} are not what its systems and"
                f" weights give; {_AGAIN}"
            )


def _keyed(entries: Entries, key: Any, fields: Sequence[str], path: Path) -> dict[tuple[str, ...], Mapping[str, Any]]:
    try:
        found = {key(entry): entry for entry in entries}
        lacking = [name for name in fields if any(name not in entry for entry in entries)]
    except (KeyError, TypeError) as error:
        raise PredictionsError(f"{path} has records without the fields {', '.join(fields)}: {error}") from error
    if lacking:
        raise PredictionsError(f"{path} has records without the fields {', '.join(lacking)}; make the run again")
    return found


def _check_keys(found: Mapping[Any, Any], expected: Mapping[Any, Any], n: int, path: Path) -> None:
    if found.keys() != expected.keys() or len(found) != n:
        odd = [" / ".join(key) for key in sorted(found.keys() ^ expected.keys())] or ["some record stands twice"]
        raise PredictionsError(f"{path} does not belong to predictions.parquet beside it: {odd[0]}; make the run again")


def _check_value(ours: object, theirs: float, where: str, path: Path) -> None:
    if not isinstance(ours, int | float) or not math.isclose(ours, theirs, rel_tol=0, abs_tol=_AGREEMENT):
        said = f"{ours:.6f}" if isinstance(ours, int | float) else repr(ours)
        raise PredictionsError(
            f"{path} says {said} for {where}, predictions.parquet beside it gives {theirs:.6f}; {_AGAIN}"
        )


def _refuse_other(found: object, expected: object, where: str, path: Path) -> None:
    odd = next(_differing(found, expected, where), None)
    if odd is not None:
        place, ours, theirs = odd
        raise PredictionsError(
            f"{path} says {ours!r} for {place}, predictions.parquet beside it gives {theirs!r}; {_AGAIN}"
        )


def _differing(found: object, expected: object, where: str) -> Iterator[tuple[str, object, object]]:
    """Where two JSON values differ; numbers may by a little."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping) and found.keys() == expected.keys():
        for name in expected:
            yield from _differing(found[name], expected[name], f"{where} {name}".strip())
    elif isinstance(expected, list) and isinstance(found, list) and len(found) == len(expected):
        for number, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
            yield from _differing(ours, theirs, f"{where} {number}")
    elif isinstance(expected, float) and isinstance(found, int | float):
        if not math.isclose(found, expected, rel_tol=_FITTED, abs_tol=_FITTED):
            yield where, found, expected
    elif found != expected:
        yield where, found, expected


def _system_key(record: Mapping[str, Any]) -> str:
    return str(System(str(record["stream"]), str(record["features"]), str(record["head"])))


def _record_key(record: Mapping[str, Any]) -> tuple[str, ...]:
    names = ("stream", "features", "head", "protocol", "leaky", "select", "metric", "averaging", "n")
    return tuple(str(record[name]) for name in names)


def _fold_key(entry: Mapping[str, Any]) -> tuple[str, ...]:
    return _system_key(entry), f"fold {entry['fold']}"


def _pair_key(entry: Mapping[str, Any]) -> tuple[str, ...]:
    return _system_key(entry["a"]), _system_key(entry["b"]), str(entry["metric"]), str(entry["averaging"])
