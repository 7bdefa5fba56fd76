"""Schemas and readers of a run's records: metrics, differences, temperatures, fusion, layer weights, scores."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NotRequired, TypeVar

from typing_extensions import TypedDict

from ravfeat.documents import check_value, read_json
from ravfeat.errors import PredictionsError
from ravfeat.predictions import read_scores as read_table
from ravfeat.runs.format import (
    AGAIN,
    CALIBRATION_FILE,
    DIFFERENCES_FILE,
    FUSION_FILE,
    LAYER_WEIGHTS_FILE,
    METRICS_FILE,
    SCORES_FILE,
    SPLITS_FILE,
)
from ravfeat.schema import Rule

__all__ = [
    "DifferenceRecord",
    "FusionRecord",
    "LayerWeightsEntry",
    "MetricRecord",
    "ScoreRow",
    "SplitsRecord",
    "TemperatureRecord",
    "read_calibration",
    "read_differences",
    "read_fusion",
    "read_layer_weights",
    "read_metrics",
    "read_scores",
    "read_splits",
]


T = TypeVar("T")

_SUM = 1e-3
"""Weights are float32."""


class SystemName(TypedDict):
    """The system that a record is about."""

    stream: str
    features: str
    head: str


class _Conditions(TypedDict):
    protocol: str
    leaky: bool
    select: str


class MetricRecord(SystemName, _Conditions):
    """One metric of one system, on the test rows; see `ravfeat.stats.metric_records`."""

    metric: str
    averaging: str
    value: float
    sd: float | None
    ci_low: float | None
    ci_high: float | None
    interval: NotRequired[str]
    n: int


class DifferenceRecord(_Conditions):
    """One metric of two systems, paired; see `ravfeat.stats.difference_records`."""

    a: SystemName
    b: SystemName
    metric: str
    averaging: str
    value_a: float
    value_b: float
    value: float
    ci_low: float | None
    ci_high: float | None
    interval: NotRequired[str]
    p: float | None
    p_holm: float | None
    family: NotRequired[str | None]
    n: int


class TemperatureRecord(SystemName, _Conditions):
    """The temperature of one system in one fold; see `ravfeat.calibrate.calibration_record`."""

    fold: int
    temperature: float
    at_bound: str
    split: str
    n: int


class LayerWeightsEntry(SystemName):
    """The weights that one trained head learned for the layers of its encoder."""

    seed: int
    fold: int
    layers: list[int]
    weights: list[float]


class FusedSystem(SystemName):
    """A system that is mixed in, and how many of its seeds were averaged."""

    seeds: int


class FusedFold(TypedDict):
    """What the fusion of one fold learned; see `ravfeat.fusion.fusion_record`."""

    fold: int
    split: str
    n: int
    temperatures: list[float]
    temperatures_at_bound: list[str]
    chosen: Literal["single", "linear", "loglinear"]
    single: int
    linear: list[float]
    loglinear: list[float]
    loglinear_at_bound: list[int]
    learned: Mapping[str, Any]
    test: Mapping[str, Any]


class FusionRecord(_Conditions):
    """What mixes the systems of a run; see `ravfeat.fusion.fusion_record`."""

    rule: Rule
    systems: list[FusedSystem]
    folds: list[FusedFold]


class ScoreRow(SystemName, _Conditions):
    """The scores of one seed in one fold, or over all folds (fold -1); see `ravfeat.stats.score_rows`."""

    synthetic: bool
    seed: int
    split: str
    averaging: str
    fold: int
    uar: float
    wa: float
    macro_f1: float
    nll_uncalibrated: float
    brier_uncalibrated: float
    ece_uncalibrated: float
    n: int


class SplitGap(TypedDict):
    """A difference of splits, and its interval over actors."""

    value: float
    ci_low: float
    ci_high: float


class ProbeScore(TypedDict):
    """The share of clips whose actor a linear probe names."""

    value: float


class SplitsRow(SystemName):
    """One system of a comparison of splits."""

    gap: SplitGap
    identity: ProbeScore | None


class SplitsRecord(TypedDict):
    """``splits.json``, as far as it is read again."""

    systems: list[SplitsRow]


def read_metrics(run: Path) -> list[MetricRecord]:
    """Read ``metrics.json``; like every reader here, refuse what its schema does not allow.

    Raises
    ------
    PredictionsError
        Naming file, record and key; see `ravfeat.documents.read_json`.
    """
    return _read(run / METRICS_FILE, list[MetricRecord])


def read_differences(run: Path) -> list[DifferenceRecord]:
    """Read ``differences.json``."""
    return _read(run / DIFFERENCES_FILE, list[DifferenceRecord])


def read_calibration(run: Path) -> list[TemperatureRecord]:
    """Read ``calibration.json``."""
    return _read(run / CALIBRATION_FILE, list[TemperatureRecord])


def read_fusion(run: Path) -> FusionRecord:
    """Read ``fusion.json``."""
    return _read(run / FUSION_FILE, FusionRecord)


def read_layer_weights(run: Path) -> list[LayerWeightsEntry]:
    """Read ``layer_weights.json``; empty where a run has none, as runs of older versions."""
    path = run / LAYER_WEIGHTS_FILE
    if not path.is_file():
        return []
    entries = _read(path, list[LayerWeightsEntry])
    heads = set()
    for number, entry in enumerate(entries):
        layers, weights = entry["layers"], entry["weights"]
        head = (entry["stream"], entry["features"], entry["head"], entry["seed"], entry["fold"])
        fault = ""
        if len(layers) != len(weights):
            fault = f"has {len(layers)} layers and {len(weights)} weights"
        elif len(set(layers)) < len(layers) or min(layers, default=-1) < 0:
            fault = f"names the layers {layers}"
        elif min(weights) < 0 or abs(sum(weights) - 1) > _SUM:
            fault = f"has weights that are not shares of one: {weights}"
        elif head in heads:
            fault = f"is of the head of another entry: {' / '.join(map(str, head))}"
        if fault:
            raise PredictionsError(f"{path}: [{number}] {fault}; {AGAIN}")
        heads.add(head)
    return entries


def read_scores(run: Path) -> list[ScoreRow]:
    """Read ``scores.parquet``."""
    path = run / SCORES_FILE
    return check_value(read_table(path), list[ScoreRow], str(path), PredictionsError, AGAIN)


def read_splits(folder: Path) -> SplitsRecord:
    """Read ``splits.json`` of a comparison of splits."""
    return read_json(folder / SPLITS_FILE, SplitsRecord, PredictionsError, "make the comparison again")


def _read(path: Path, kind: type[T]) -> T:
    return read_json(path, kind, PredictionsError, AGAIN)
