"""Calibration: the probabilities of a system, as sure as it is right.

One temperature for each system and fold, learned from validation rows only.
"""

from ravfeat.calibrate.table import (
    Calibration,
    FoldTemperature,
    calibrate,
    calibration_record,
    fit_temperature,
)
from ravfeat.calibrate.temperature import BOUNDS, Temperature

__all__ = [
    "BOUNDS",
    "Calibration",
    "FoldTemperature",
    "Temperature",
    "calibrate",
    "calibration_record",
    "fit_temperature",
]
