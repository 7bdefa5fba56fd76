"""Fit a temperature for every fold of a system, and apply it to the fold's test rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ravfeat.calibrate.temperature import Temperature
from ravfeat.predictions import Evidence, Predictions, System, SystemProbs, check_learnable, evidence_of
from ravfeat.short_repr import short_repr

__all__ = ["Calibration", "FoldTemperature", "calibrate", "calibration_record", "fit_temperature"]


@dataclass(frozen=True)
class FoldTemperature:
    """The temperature of one fold, and from how many rows of which split it was learned."""

    fold: int
    temperature: Temperature
    split: str
    n: int


@short_repr
@dataclass(frozen=True)
class Calibration:
    """A system at its temperatures.

    Attributes
    ----------
    system : System
    test : SystemProbs
        All test rows, each at the temperature of its fold.
    folds : tuple of FoldTemperature
    """

    system: System
    test: SystemProbs
    folds: tuple[FoldTemperature, ...]


def calibrate(predictions: Predictions, system: System) -> Calibration:
    """Learn the temperature of every fold, seeds averaged first, and apply it to the fold's test rows.

    Raises
    ------
    PredictionsError
        As `ravfeat.predictions.evidence_of` and `Temperature.fit` do.
    """
    evidence = evidence_of(predictions, system)
    fitted = [
        FoldTemperature(fold.fold, fit_temperature(fold.learn), fold.learn.split, len(fold.learn)) for fold in evidence
    ]
    read = predictions.seed_averaged(system)
    return Calibration(System(*system), _apply(read, evidence, fitted), tuple(fitted))


def calibration_record(predictions: Predictions) -> list[dict[str, Any]]:
    """Make the entries of ``calibration.json``: the temperature of every system and fold.

    Returns
    -------
    list of dict
        Keys stream, features, head, fold, temperature, at_bound (empty, ``lower`` or ``upper``), split and n (from
        how many rows of which split it was learned), protocol, leaky and select.
    """
    return [
        {
            **system._asdict(),
            "fold": fold.fold,
            "temperature": fold.temperature.temperature_,
            "at_bound": fold.temperature.at_bound_,
            "split": fold.split,
            "n": fold.n,
            "protocol": predictions.protocol,
            "leaky": predictions.leaky,
            "select": predictions.select,
        }
        for system in predictions.systems()
        for fold in calibrate(predictions, system).folds
    ]


def fit_temperature(rows: SystemProbs) -> Temperature:
    """Learn one temperature.

    Raises
    ------
    PredictionsError
        The rows are test rows; see `ravfeat.predictions.check_learnable`.
    """
    check_learnable(rows)
    return Temperature().fit(rows.log_probs, rows.y)


def _apply(read: SystemProbs, evidence: Sequence[Evidence], fitted: Sequence[FoldTemperature]) -> SystemProbs:
    # Folds part the rows, so every row is filled, once.
    log_probs = np.empty_like(read.log_probs)
    for fold, fold_temperature in zip(evidence, fitted, strict=True):
        log_probs[read.folds == fold.fold] = fold_temperature.temperature.transform(fold.read.log_probs)
    return read.calibrated(log_probs)
