"""Whether temperatures, weights and rules were learned from the rows that they may be learned from.

Each is fitted once more, from the stored rows that it may be learned from. Where the run says something else, it is
fitted from the test rows too, so that a line can tell what was chosen on the test rows from what was only edited.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ravfeat import metrics
from ravfeat.audit.context import Opened
from ravfeat.audit.verdicts import Line, edited, leak, not_possible, pass_
from ravfeat.calibrate import fit_temperature
from ravfeat.errors import PredictionsError
from ravfeat.fusion import fuse
from ravfeat.fusion.aligned import AlignedRows
from ravfeat.fusion.fit import FoldFusion, fit_fold
from ravfeat.fusion.mixing import MixRule, mix
from ravfeat.fusion.weights import fit_linear, fit_loglinear
from ravfeat.predictions import Evidence, Predictions, SystemProbs, evidence_of
from ravfeat.runs.read import read_json

__all__ = ["check_temperatures", "check_weights"]

_TEMPERATURES = "temperatures from val rows"
_WEIGHTS = "fusion weights from val rows"

_FITTED = 1e-3
"""Relative; both are searched for, and another machine may stop a little earlier."""

_ON_TEST = 0.02
"""How near a stored weight lies to one fitted on test rows: a cheat may search on a grid of its own."""

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class _Odd:
    """Something stored that the rows it may be learned from do not give."""

    what: str
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
        gain = "" if self.gain is None else f"; on the test rows it reads {self.gain:+.3f} UAR over what val rows give"
        return f"{self.what} is {_shown(self.stored)}, val rows give {_shown(self.val)}, {why}{gain}"

    def record(self) -> dict[str, Any]:
        return {name: _plain(value) for name, value in vars(self).items()}


def check_temperatures(opened: Opened) -> list[Line]:
    """Learn the temperature of every system and fold again."""
    predictions = opened.predictions
    if predictions is None:
        return [not_possible(_TEMPERATURES, "", opened.refused)]
    try:
        stored = {_key(one): one for one in read_json(opened.path / "calibration.json", list)}
        odd = list(_odd_temperatures(predictions, stored))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return [edited(_TEMPERATURES, "", f"calibration.json is not what a run writes: {error!r}")]
    except PredictionsError as error:
        return [not_possible(_TEMPERATURES, "", error)]
    return [_verdict(_TEMPERATURES, odd, f"{len(stored)} temperatures learned again and the same")]


def _odd_temperatures(predictions: Predictions, stored: Mapping[tuple[str, ...], Entry]) -> Iterator[_Odd]:
    for system in predictions.systems():
        for one in evidence_of(predictions, system):
            said = stored[(*system, str(one.fold))]["temperature"]
            val = fit_temperature(one.learn).temperature_
            if not _same(said, val):
                test = fit_temperature(_as_learnable(one.read)).temperature_
                yield _Odd(f"temperature of {system} in fold {one.fold}", said, val, test, _same(said, test))


def check_weights(opened: Opened) -> list[Line]:
    """Learn the weights of both rules, and the choice between them, again for every fold."""
    predictions = opened.predictions
    if not (opened.path / "fusion.json").is_file():
        return [not_possible(_WEIGHTS, "", "the run fuses nothing")]
    if predictions is None:
        return [not_possible(_WEIGHTS, "", opened.refused)]
    try:
        record = read_json(opened.path / "fusion.json", dict)
        odd = list(_odd_weights(predictions, record))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return [edited(_WEIGHTS, "", f"fusion.json is not what a run writes: {error!r}")]
    except PredictionsError as error:
        return [not_possible(_WEIGHTS, "", error)]
    return [_verdict(_WEIGHTS, odd, f"weights, rule and best single system of {len(record['folds'])} folds the same")]


def _odd_weights(predictions: Predictions, record: Entry) -> Iterator[_Odd]:
    _, fusion = fuse(predictions, record["rule"])
    evidence = list(zip(*(evidence_of(predictions, system) for system in fusion.systems), strict=True))
    stored = {int(one["fold"]): one for one in record["folds"]}
    for val, own in zip(fusion.folds, evidence, strict=True):
        said = stored[val.fold]
        if _same_fold(said, val):
            continue
        on_test = [Evidence(one.fold, _as_learnable(one.read), one.read) for one in own]
        test, rows = fit_fold(fusion.systems, on_test, fusion.rule)
        yield from _compare(said, val, (test, _at(val, test, rows)), rows)


def _at(val: FoldFusion, test: FoldFusion, rows: AlignedRows) -> FoldFusion:
    """Fit weights on test rows that are at the temperatures of the val rows: what a cheat does."""
    calibrated = val.calibrated(rows.log_probs)
    return replace(test, linear=fit_linear(calibrated, rows.y), loglinear=fit_loglinear(calibrated, rows.y))


def _compare(said: Entry, val: FoldFusion, tests: Sequence[FoldFusion], rows: AlignedRows) -> Iterator[_Odd]:
    rules: tuple[MixRule, ...] = ("linear", "loglinear")
    for name in rules:
        stored, again = said[name], getattr(val, name)
        if _same(stored, again):
            continue
        near = next((one for one in tests if _same(stored, getattr(one, name), _ON_TEST)), None)
        gain = _uar(name, stored, val, rows) - _uar(name, again, val, rows)
        shown = getattr(near or tests[0], name)
        yield _Odd(f"the {name} weights of fold {val.fold}", stored, again, shown, near is not None, gain)
    for choice in ("chosen", "single"):
        if said[choice] != getattr(val, choice):
            test = getattr(tests[0], choice)
            yield _Odd(f"'{choice}' of fold {val.fold}", said[choice], getattr(val, choice), test, said[choice] == test)


def _uar(rule: MixRule, weights: object, val: FoldFusion, rows: AlignedRows) -> float:
    mixed = mix(rule, np.asarray(weights, np.float64), val.calibrated(rows.log_probs))
    return metrics.uar(rows.y, metrics.decide(mixed))


def _same_fold(said: Entry, val: FoldFusion) -> bool:
    weights = all(_same(said[name], getattr(val, name)) for name in ("linear", "loglinear"))
    return weights and all(said[name] == getattr(val, name) for name in ("chosen", "single"))


def _as_learnable(rows: SystemProbs) -> SystemProbs:
    # An audit fits on test rows to tell what a run did, never to make a number of its own.
    return replace(rows, split="val")


def _key(entry: Entry) -> tuple[str, ...]:
    return entry["stream"], entry["features"], entry["head"], str(entry["fold"])


def _verdict(check: str, odd: Sequence[_Odd], fine: str) -> Line:
    if not odd:
        return pass_(check, "", fine)
    first = next((one for one in odd if one.on_test), odd[0])
    on_test = sum(one.on_test for one in odd)
    rest = f" ({len(odd)} differ, {on_test} of them as test rows would have it)" if len(odd) > 1 else ""
    return leak(check, "", f"{first}{rest}", differences=[one.record() for one in odd[:50]], on_test=on_test)


def _same(a: object, b: object, tolerance: float = _FITTED) -> bool:
    ours, theirs = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return ours.shape == theirs.shape and bool(np.allclose(ours, theirs, rtol=tolerance, atol=tolerance))


def _shown(value: object) -> str:
    if isinstance(value, str | int):
        return str(value)
    numbers = np.atleast_1d(np.asarray(value, np.float64)).tolist()
    shown = [f"{number:.3f}" for number in numbers]
    return shown[0] if len(shown) == 1 and not isinstance(value, list) else f"[{', '.join(shown)}]"


def _plain(value: object) -> object:
    return value.tolist() if isinstance(value, np.ndarray) else value
