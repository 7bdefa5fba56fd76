"""Files of a run against its predictions: whatever follows from them is computed again and compared."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from ravfeat.audit.context import RunContext
from ravfeat.audit.verdicts import Line, edited, not_possible, pass_
from ravfeat.errors import PredictionsError
from ravfeat.predictions import Predictions
from ravfeat.runs.check import (
    check_calibration,
    check_fusion,
    check_layer_weights,
    check_metrics,
    check_pairs,
    check_recipe,
    check_scores,
)
from ravfeat.runs.format import (
    CALIBRATION_FILE,
    DIFFERENCES_FILE,
    FUSION_FILE,
    LAYER_WEIGHTS_FILE,
    METRICS_FILE,
    RECIPE_FILE,
    SCORES_FILE,
)
from ravfeat.schema import FUSED_STREAMS

__all__ = ["check_files"]

_CHECK = "files belong together"


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


def _checks(run: Path, predictions: Predictions) -> Iterator[tuple[str, Callable[[], object]]]:
    yield METRICS_FILE, partial(check_metrics, run, predictions)
    yield CALIBRATION_FILE, partial(check_calibration, run, predictions)
    yield DIFFERENCES_FILE, partial(check_pairs, run, predictions)
    yield SCORES_FILE, partial(check_scores, run, predictions)
    yield RECIPE_FILE, partial(check_recipe, run, predictions)
    yield LAYER_WEIGHTS_FILE, partial(check_layer_weights, run, predictions)
    fused = any(system.stream in FUSED_STREAMS for system in predictions.systems())
    if fused or (run / FUSION_FILE).is_file():
        yield FUSION_FILE, partial(check_fusion, run, predictions)


def _refusal(check: Callable[[], object]) -> str | None:
    try:
        check()
    except PredictionsError as error:
        return str(error)
    return None
