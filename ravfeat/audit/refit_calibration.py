"""Refit temperatures and fusion weights and compare: they may be learned from validation rows only.

Each is fitted once more, from the stored rows that it may be learned from. Where the run has stored something else, it
is fitted from the test rows too, so that a line can tell what was chosen on the test rows from what was only edited.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ravfeat import metrics
from ravfeat.audit.context import RunContext
from ravfeat.audit.verdicts import Line, edited, leak, not_possible, pass_
from ravfeat.calibrate import fit_temperature
from ravfeat.errors import PredictionsError
from ravfeat.fusion import fuse
from ravfeat.fusion.aligned import AlignedRows
from ravfeat.fusion.fit import FoldFusion, fit_fold
from ravfeat.fusion.mixing import MixRule, mix
from ravfeat.fusion.weights import fit_linear, fit_loglinear
from ravfeat.predictions import Evidence, Predictions, SystemProbs, evidence_of
from ravfeat.runs.format import FUSION_FILE
from ravfeat.runs.records import FusionRecord, TemperatureRecord, read_calibration, read_fusion

__all__ = ["check_temperatures", "check_weights"]

_TEMPERATURES = "temperatures from val rows"
_WEIGHTS = "fusion weights from val rows"

_SAME_FIT = 1e-3
"""Relative; both are searched for, and another machine may stop a little earlier."""

_ON_TEST = 0.02
"""How near a stored weight lies to one fitted on test rows: a cheat may search on a grid of its own."""

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class _Difference:
    """A stored value that the rows it may be learned from do not give."""

    name: str
    stored: object
    val: object
    test: object
    on_test: bool
    gain: float | None = None

    def __str__(self) -> str:
        if self.on_test:
            why = f"test rows give {_shown(self.test)}: as if chosen on test"
        else:
            why = f"test rows give {_shown(self.test)}, so it was not chosen there by the run's own rule"
        gain = "" if self.gain is None else f"; on the test rows it gains {self.gain:+.3f} UAR over what val rows give"
        return f"{self.name} is {_shown(self.stored)}, val rows give {_shown(self.val)}, {why}{gain}"

    def record(self) -> dict[str, Any]:
        values = {"what": self.name} | {name: value for name, value in vars(self).items() if name != "name"}
        return {name: _plain(value) for name, value in values.items()}


def check_temperatures(context: RunContext) -> list[Line]:
    """Fit the temperature of every system and fold again."""
    predictions = context.predictions
    if predictions is None:
        return [not_possible(_TEMPERATURES, "", context.refusal)]
    try:
        stored = {_key(entry): entry for entry in read_calibration(context.path)}
    except PredictionsError as error:
        return [edited(_TEMPERATURES, "", str(error))]
    try:
        differences = list(_compare_temperatures(predictions, stored))
    except KeyError as error:
        return [edited(_TEMPERATURES, "", f"the run records no temperature of {error}")]
    except PredictionsError as error:
        return [not_possible(_TEMPERATURES, "", error)]
    return [_verdict(_TEMPERATURES, differences, f"{len(stored)} temperatures learned again and the same")]


def _compare_temperatures(
    predictions: Predictions, entries: Mapping[tuple[str, ...], TemperatureRecord]
) -> Iterator[_Difference]:
    for system in predictions.systems():
        for evidence in evidence_of(predictions, system):
            stored = entries[(*system, str(evidence.fold))]["temperature"]
            val = fit_temperature(evidence.learn).temperature_
            if not _same(stored, val):
                test = fit_temperature(_as_learnable(evidence.read)).temperature_
                name = f"temperature of {system} in fold {evidence.fold}"
                yield _Difference(name, stored, val, test, _same(stored, test))


def check_weights(context: RunContext) -> list[Line]:
    """Fit the weights of both rules, and choose between them, again for every fold."""
    predictions = context.predictions
    if not (context.path / FUSION_FILE).is_file():
        return [not_possible(_WEIGHTS, "", "the run fuses nothing")]
    if predictions is None:
        return [not_possible(_WEIGHTS, "", context.refusal)]
    try:
        record = read_fusion(context.path)
    except PredictionsError as error:
        return [edited(_WEIGHTS, "", str(error))]
    try:
        differences = list(_compare_weights(predictions, record))
    except KeyError as error:
        return [edited(_WEIGHTS, "", f"the run records no weights of fold {error}")]
    except PredictionsError as error:
        return [not_possible(_WEIGHTS, "", error)]
    return [
        _verdict(
            _WEIGHTS, differences, f"weights, rule and best single system of {len(record['folds'])} folds the same"
        )
    ]


def _compare_weights(predictions: Predictions, record: FusionRecord) -> Iterator[_Difference]:
    _, fusion = fuse(predictions, record["rule"])
    by_fold = list(zip(*(evidence_of(predictions, system) for system in fusion.systems), strict=True))
    entries = {int(entry["fold"]): entry for entry in record["folds"]}
    for val, evidence in zip(fusion.folds, by_fold, strict=True):
        stored = entries[val.fold]
        if _same_fold(stored, val):
            continue
        # Only for folds that differ: fitting on test rows tells what a cheat would have got.
        on_test = [Evidence(system.fold, _as_learnable(system.read), system.read) for system in evidence]
        test, rows = fit_fold(fusion.systems, on_test, fusion.rule)
        yield from _compare_fold(stored, val, (test, _at_val_temperatures(val, test, rows)), rows)


def _at_val_temperatures(val: FoldFusion, test: FoldFusion, rows: AlignedRows) -> FoldFusion:
    """Fit weights on test rows that are at the temperatures of the val rows: what a cheat does."""
    calibrated = val.calibrated(rows.log_probs)
    return replace(test, linear=fit_linear(calibrated, rows.y), loglinear=fit_loglinear(calibrated, rows.y))


def _compare_fold(
    entry: Entry, val: FoldFusion, tests: Sequence[FoldFusion], rows: AlignedRows
) -> Iterator[_Difference]:
    rules: tuple[MixRule, ...] = ("linear", "loglinear")
    for name in rules:
        stored, refitted = entry[name], getattr(val, name)
        if _same(stored, refitted):
            continue
        # At the test rows' own temperatures, or at those of the val rows: a cheat may have used either.
        near = next((test for test in tests if _same(stored, getattr(test, name), _ON_TEST)), None)
        gain = _uar(name, stored, val, rows) - _uar(name, refitted, val, rows)
        test_weights = getattr(near or tests[0], name)
        label = f"the {name} weights of fold {val.fold}"
        yield _Difference(label, stored, refitted, test_weights, near is not None, gain)
    for choice in ("chosen", "single"):
        stored, test = entry[choice], getattr(tests[0], choice)
        if stored != getattr(val, choice):
            label = f"'{choice}' of fold {val.fold}"
            yield _Difference(label, stored, getattr(val, choice), test, stored == test)


def _uar(rule: MixRule, weights: object, val: FoldFusion, rows: AlignedRows) -> float:
    mixed = mix(rule, np.asarray(weights, np.float64), val.calibrated(rows.log_probs))
    return metrics.uar(rows.y, metrics.decide(mixed))


def _same_fold(stored: Entry, val: FoldFusion) -> bool:
    weights = all(_same(stored[name], getattr(val, name)) for name in ("linear", "loglinear"))
    return weights and all(stored[name] == getattr(val, name) for name in ("chosen", "single"))


def _as_learnable(rows: SystemProbs) -> SystemProbs:
    # An audit fits on test rows to tell what a run did, never to make a number of its own.
    return replace(rows, split="val")


def _key(entry: TemperatureRecord) -> tuple[str, ...]:
    return entry["stream"], entry["features"], entry["head"], str(entry["fold"])


def _verdict(check: str, differences: Sequence[_Difference], passed: str) -> Line:
    if not differences:
        return pass_(check, "", passed)
    first = next((difference for difference in differences if difference.on_test), differences[0])
    on_test = sum(difference.on_test for difference in differences)
    rest = f" ({len(differences)} differ, {on_test} of them as test rows would have it)" if len(differences) > 1 else ""
    return leak(check, "", f"{first}{rest}", differences=[each.record() for each in differences[:50]], on_test=on_test)


def _same(a: object, b: object, tolerance: float = _SAME_FIT) -> bool:
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return x.shape == y.shape and bool(np.allclose(x, y, rtol=tolerance, atol=tolerance))


def _shown(value: object) -> str:
    if isinstance(value, str | int):
        return str(value)
    numbers = np.atleast_1d(np.asarray(value, np.float64)).tolist()
    shown = [f"{number:.3f}" for number in numbers]
    return shown[0] if len(shown) == 1 and not isinstance(value, list) else f"[{', '.join(shown)}]"


def _plain(value: object) -> object:
    return value.tolist() if isinstance(value, np.ndarray) else value
