"""Read run folders, and refuse those whose files do not belong together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ravfeat.calibrate import Calibration
from ravfeat.errors import PredictionsError
from ravfeat.fusion import Fusion
from ravfeat.predictions import Predictions, System
from ravfeat.runs.audit_file import AuditRecord, read_audit
from ravfeat.runs.check import (
    check_calibration,
    check_differences,
    check_fusion,
    check_layer_weights,
    check_metrics,
    check_recipe,
    check_scores,
)
from ravfeat.runs.format import (
    AGAIN,
    CALIBRATION_FILE,
    DIFFERENCES_FILE,
    FUSION_FILE,
    METRICS_FILE,
    PREDICTIONS_FILE,
    RECIPE_FILE,
    SCORES_FILE,
    refuse_unrevealed,
)
from ravfeat.runs.groups_file import Columns, read_groups
from ravfeat.runs.importance_file import Importance, read_importance
from ravfeat.runs.recipe import Recipe
from ravfeat.runs.records import LayerWeightsEntry
from ravfeat.runs.stress_file import Stress, read_stress
from ravfeat.schema import FUSED_STREAMS
from ravfeat.short_repr import short_repr

__all__ = ["LayerWeights", "Run", "read_run", "read_runs"]

_FILES = (PREDICTIONS_FILE, METRICS_FILE, SCORES_FILE, RECIPE_FILE, CALIBRATION_FILE, DIFFERENCES_FILE)


@dataclass(frozen=True)
class LayerWeights:
    """What one trained head weighed the encoder's layers with; weights sum to one."""

    system: System
    seed: int
    fold: int
    weights: Mapping[int, float]


@short_repr
@dataclass(frozen=True)
class Run:
    """One run folder.

    Attributes
    ----------
    name : str
        Folder name; with its parent where two runs share one.
    predictions : Predictions
    records : list of dict
        ``metrics.json``, checked against the predictions.
    scores : list of dict
        ``scores.parquet``: single seeds and folds.
    recipe : Recipe
    layer_weights : list of LayerWeights
    calibrations : mapping of System to Calibration
        Every system at the temperatures of ``calibration.json``, which its own rows give again.
    fusion : Fusion or None
        What ``fusion.json`` says was learned, and the rows give again; None where nothing was fused.
    audit : AuditRecord or None
        What ``ravfeat audit`` found; None where it was never called.
    importance : Importance or None
        What its heads decide by; None where it was never measured.
    groups : mapping of str to mapping of str to str
        What is known of its test clips; see `ravfeat.runs.groups_file`.
    stress : Stress or None
        Its heads on changed recordings; None where that was never tried.
    """

    name: str
    predictions: Predictions
    records: Sequence[Mapping[str, Any]]
    scores: Sequence[Mapping[str, Any]]
    recipe: Recipe
    layer_weights: Sequence[LayerWeights]
    calibrations: Mapping[System, Calibration]
    fusion: Fusion | None
    audit: AuditRecord | None = None
    importance: Importance | None = None
    groups: Columns = field(default_factory=dict)
    stress: Stress | None = None


def read_runs(paths: Sequence[Path]) -> list[Run]:
    """Read run folders, in the order given.

    Raises
    ------
    PredictionsError
        No folder, a folder twice, a missing or unreadable file, or one that does not belong to the
        predictions beside it; runs on different corpora or label sets.
    """
    if not paths:
        raise PredictionsError("nothing to report: name at least one run folder")
    resolved = [path.resolve() for path in paths]
    twice = {str(path) for path in resolved if resolved.count(path) > 1}
    if twice:
        raise PredictionsError(f"run folder given twice: {', '.join(sorted(twice))}")
    names = [path.name for path in resolved]
    runs = [
        read_run(path, path.name if names.count(path.name) == 1 else f"{path.parent.name}/{path.name}")
        for path in resolved
    ]
    for run in runs[1:]:
        _check_same_task(runs[0], run)
    return runs


def _check_same_task(first: Run, other: Run) -> None:
    """One page speaks of one corpus and one label set, or its sentences would be wrong."""
    for fact, a, b in (
        ("classes", list(first.predictions.classes), list(other.predictions.classes)),
        ("a synthetic corpus", first.predictions.synthetic, other.predictions.synthetic),
        ("the corpus", first.recipe.corpora()[:1], other.recipe.corpora()[:1]),
    ):
        if a != b:
            raise PredictionsError(
                f"runs of different tasks cannot share a report: {fact} is {a} in {first.name} and {b} in {other.name};"
                " make a report of each"
            )


def read_run(path: Path, name: str = "") -> Run:
    """Read a run folder.

    Parameters
    ----------
    path : Path
    name : str
        What to call it; the folder's name where it is empty.

    Raises
    ------
    PredictionsError
        See `read_runs`.
    """
    if not path.is_dir():
        raise PredictionsError(f"{path} is not a folder; give the folder that `fit-heads --out` wrote")
    refuse_unrevealed(path)
    if missing := [file for file in _FILES if not (path / file).is_file()]:
        raise PredictionsError(f"{path} is not a finished run: {', '.join(missing)} missing; {AGAIN}")
    predictions = Predictions.read(path / PREDICTIONS_FILE)
    try:
        return _read(path, name, predictions)
    except PredictionsError as error:
        if str(path) in str(error):
            raise
        # What cannot be computed from the predictions is told by system and fold.
        raise PredictionsError(f"{path / PREDICTIONS_FILE}: {error}") from error


def _read(path: Path, name: str, predictions: Predictions) -> Run:
    records = check_metrics(path, predictions)
    calibrations = check_calibration(path, predictions)
    check_differences(path, calibrations)
    return Run(
        name=name or path.resolve().name,
        predictions=predictions,
        records=records,
        scores=check_scores(path, predictions),
        recipe=check_recipe(path, predictions),
        layer_weights=[_layer_weights(entry) for entry in check_layer_weights(path, predictions)],
        calibrations=calibrations,
        fusion=_fusion(path, predictions),
        audit=read_audit(path),
        importance=read_importance(path),
        groups=read_groups(path),
        stress=read_stress(path),
    )


def _fusion(path: Path, predictions: Predictions) -> Fusion | None:
    fused = [system for system in predictions.systems() if system.stream in FUSED_STREAMS]
    if not (path / FUSION_FILE).is_file():
        if fused:
            raise PredictionsError(f"{path / FUSION_FILE} is missing, and the run has {fused[0]}; {AGAIN}")
        return None
    return check_fusion(path, predictions)


def _layer_weights(entry: LayerWeightsEntry) -> LayerWeights:
    system = System(entry["stream"], entry["features"], entry["head"])
    weights = dict(zip(entry["layers"], entry["weights"], strict=True))
    return LayerWeights(system, entry["seed"], entry["fold"], weights)
