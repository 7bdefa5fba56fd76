"""Read run folders as training wrote them.

A run folder holds ``predictions.parquet``, ``metrics.json``, ``scores.parquet``, ``calibration.json``,
``differences.json`` and ``recipe.json``, ``fusion.json`` where systems were fused, ``layer_weights.json``
where a head learned layer weights, and ``audit.json`` where it was audited. The recipe is free in form; the report
shows all of it and understands these keys wherever they stand in it: ``corpus`` (str), ``command`` (str),
``random_weights`` (bool: the encoder was never trained), ``cross_corpus`` (at its top: ``train`` and ``test``, the
corpora of a test on another corpus) and ``missing`` or ``missing_clips`` (list of
clip ids that belong to the corpus and are not in the numbers).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ravfeat.calibrate import Calibration
from ravfeat.errors import PredictionsError
from ravfeat.fusion import Fusion
from ravfeat.predictions import Predictions, System, read_scores
from ravfeat.runs.audit_file import AuditRecord, read_audit
from ravfeat.runs.check import check_calibration, check_differences, check_fusion, check_records
from ravfeat.schema import FUSED_STREAMS

__all__ = ["SPLITS_FILE", "LayerWeights", "Run", "find", "read_json", "read_runs", "runs_of"]

SPLITS_FILE = "splits.json"
"""Marks the folder of a comparison of splits, which holds two runs."""

_FILES = (
    "predictions.parquet",
    "metrics.json",
    "scores.parquet",
    "recipe.json",
    "calibration.json",
    "differences.json",
)


def runs_of(path: Path) -> list[Path]:
    """Give the two runs of a comparison's folder; any other path as it is."""
    return [path / "actor", path / "clip"] if (path / SPLITS_FILE).is_file() else [path]


@dataclass(frozen=True)
class LayerWeights:
    """What one trained head weighed the encoder's layers with; weights sum to one."""

    system: System
    seed: int
    fold: int
    weights: Mapping[int, float]


@dataclass(frozen=True)
class Run:
    """One run folder.

    Attributes
    ----------
    name : str
        Folder name; with its parent where two runs share one.
    records : list of dict
        ``metrics.json``, checked against the predictions.
    scores : list of dict
        ``scores.parquet``: single seeds and folds.
    recipe : dict
    layer_weights : list of LayerWeights
    calibrations : mapping of System to Calibration
        Every system at the temperatures of ``calibration.json``, which its own rows give again.
    fusion : Fusion or None
        What ``fusion.json`` says was learned, and the rows give again; None where nothing was fused.
    audit : AuditRecord or None
        What ``ravfeat audit`` found; None where it was never called.
    """

    name: str
    predictions: Predictions
    records: Sequence[Mapping[str, Any]]
    scores: Sequence[Mapping[str, Any]]
    recipe: Mapping[str, Any]
    layer_weights: Sequence[LayerWeights]
    calibrations: Mapping[System, Calibration]
    fusion: Fusion | None
    audit: AuditRecord | None = None


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
        _read_run(path, path.name if names.count(path.name) == 1 else f"{path.parent.name}/{path.name}")
        for path in resolved
    ]
    for run in runs[1:]:
        _check_same_task(runs[0], run)
    return runs


def _check_same_task(first: Run, other: Run) -> None:
    """One page speaks of one corpus and one label set, or its sentences would be wrong."""
    for what, a, b in (
        ("classes", list(first.predictions.classes), list(other.predictions.classes)),
        ("a synthetic corpus", first.predictions.synthetic, other.predictions.synthetic),
        ("the corpus", find(first.recipe, "corpus")[:1], find(other.recipe, "corpus")[:1]),
    ):
        if a != b:
            raise PredictionsError(
                f"runs of different tasks cannot share a report: {what} is {a} in {first.name} and {b} in {other.name};"
                " make a report of each"
            )


def find(recipe: Mapping[str, Any], key: str) -> list[Any]:
    """Every value that stands under `key` anywhere in a recipe, outermost first."""
    return list(_walk(recipe, key))


def _walk(node: object, key: str) -> Iterator[Any]:
    if isinstance(node, Mapping):
        if key in node:
            yield node[key]
        for name, child in node.items():
            if name != key:
                yield from _walk(child, key)
    elif isinstance(node, list):
        for child in node:
            yield from _walk(child, key)


def _read_run(path: Path, name: str) -> Run:
    if not path.is_dir():
        raise PredictionsError(f"{path} is not a folder; give the folder that `fit-heads --out` wrote")
    if missing := [file for file in _FILES if not (path / file).is_file()]:
        raise PredictionsError(f"{path} is not a finished run: {', '.join(missing)} missing; make the run again")
    predictions = Predictions.read(path / "predictions.parquet")
    records = read_json(path / "metrics.json", list)
    check_records(records, predictions, path / "metrics.json")
    calibrations = check_calibration(read_json(path / "calibration.json", list), predictions, path / "calibration.json")
    check_differences(read_json(path / "differences.json", list), records, calibrations, path / "differences.json")
    weights = path / "layer_weights.json"
    return Run(
        name=name,
        predictions=predictions,
        records=records,
        scores=read_scores(path / "scores.parquet"),
        recipe=read_json(path / "recipe.json", dict),
        layer_weights=_layer_weights(read_json(weights, list), weights) if weights.is_file() else (),
        calibrations=calibrations,
        fusion=_fusion(path / "fusion.json", predictions),
        audit=read_audit(path),
    )


def _fusion(path: Path, predictions: Predictions) -> Fusion | None:
    fused = [system for system in predictions.systems() if system.stream in FUSED_STREAMS]
    if not fused and not path.is_file():
        return None
    if not path.is_file():
        raise PredictionsError(f"{path} is missing, and the run has {fused[0]}; make the run again")
    return check_fusion(read_json(path, dict), predictions, path)


def read_json(path: Path, kind: type) -> Any:
    """Read one of a run's JSON files.

    Raises
    ------
    PredictionsError
        Where it is missing, is not JSON, or holds something else than a `kind`.
    """
    if not path.is_file():
        raise PredictionsError(f"{path} is missing")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PredictionsError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(value, kind):
        wanted = "object" if kind is dict else kind.__name__
        raise PredictionsError(f"{path} must hold a JSON {wanted}, got {type(value).__name__}")
    return value


def _layer_weights(entries: list[Any], path: Path) -> list[LayerWeights]:
    found = []
    for entry in entries:
        try:
            system = System(entry["stream"], entry["features"], entry["head"])
            weights = dict(zip(map(int, entry["layers"]), map(float, entry["weights"]), strict=True))
            found.append(LayerWeights(system, int(entry["seed"]), int(entry["fold"]), weights))
        except (KeyError, TypeError, ValueError) as error:
            raise PredictionsError(
                f"{path} has an entry that is not {{stream, features, head, seed, fold, layers, weights}}: {error}"
            ) from error
    return found
