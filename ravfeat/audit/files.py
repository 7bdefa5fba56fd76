"""Files of a run against its predictions: whatever follows from them is computed again and compared."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ravfeat.audit.context import RunContext
from ravfeat.audit.verdicts import Line, edited, not_possible, pass_
from ravfeat.calibrate import calibrate
from ravfeat.errors import PredictionsError
from ravfeat.predictions import Predictions, read_scores
from ravfeat.runs.check import check_calibration, check_differences, check_fusion, check_records
from ravfeat.runs.read import read_json
from ravfeat.schema import FUSED_STREAMS
from ravfeat.stats import score_rows

__all__ = ["check_files"]

_CHECK = "files belong together"
_AGREEMENT = 1e-6
"""Absolute; another machine adds in another order."""


def check_files(context: RunContext) -> list[Line]:
    """Compute metrics, temperatures, differences, fusion and scores again; a line for each file that differs."""
    predictions = context.predictions
    if predictions is None:
        return [not_possible(_CHECK, "", context.refusal)]
    differing = [
        edited(_CHECK, name, reason)
        for name, check in _checks(context.path, predictions)
        if (reason := _refusal(check)) is not None
    ]
    names = ", ".join(name for name, _ in _checks(context.path, predictions))
    return differing or [pass_(_CHECK, "", f"{names}: made again from predictions.parquet, and the same")]


def _checks(path: Path, predictions: Predictions) -> Iterator[tuple[str, Callable[[], None]]]:
    def metrics() -> None:
        check_records(read_json(path / "metrics.json", list), predictions, path / "metrics.json")

    def calibration() -> None:
        check_calibration(read_json(path / "calibration.json", list), predictions, path / "calibration.json")

    def differences() -> None:
        records = read_json(path / "differences.json", list), read_json(path / "metrics.json", list)
        calibrations = {system: calibrate(predictions, system) for system in predictions.systems()}
        check_differences(*records, calibrations, path / "differences.json")

    def fusion() -> None:
        check_fusion(read_json(path / "fusion.json", dict), predictions, path / "fusion.json")

    def scores() -> None:
        _check_scores(read_scores(path / "scores.parquet"), predictions)

    yield "metrics.json", metrics
    yield "calibration.json", calibration
    yield "differences.json", differences
    yield "scores.parquet", scores
    if (path / "fusion.json").is_file() or any(system.stream in FUSED_STREAMS for system in predictions.systems()):
        yield "fusion.json", fusion


def _refusal(check: Callable[[], None]) -> str | None:
    try:
        check()
    except (PredictionsError, KeyError) as error:
        return f"{error}" if isinstance(error, PredictionsError) else f"it lacks the record {error}"
    return None


def _check_scores(rows: Sequence[Mapping[str, Any]], predictions: Predictions) -> None:
    again = score_rows(predictions)
    if len(rows) != len(again):
        raise PredictionsError(f"scores.parquet has {len(rows)} rows, predictions.parquet gives {len(again)}")
    for stored, computed in zip(rows, again, strict=True):
        for name, value in computed.items():
            same = (
                np.isclose(stored[name], value, atol=_AGREEMENT) if isinstance(value, float) else stored[name] == value
            )
            if not same:
                raise PredictionsError(
                    f"scores.parquet says {name} = {stored[name]!r} where predictions.parquet gives {value!r}"
                    f" ({computed['stream']} / {computed['features']} / {computed['head']}, seed {computed['seed']})"
                )
