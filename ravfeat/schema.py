"""Names that files, rooms and people agree on: labels, columns, splits.

Offers
------
RAVDESS_LABELS, MANIFEST_COLUMNS, PREDICTION_COLUMNS, METRIC_FIELDS,
and the closed choices `Stream`, `Split`, `Gender`, `Store`, `Select`.
"""

from typing import Literal

Stream = Literal["audio", "face", "fused"]
Split = Literal["train", "val", "test"]
Gender = Literal["male", "female", ""]
Store = Literal["frames", "pooled"]
Select = Literal["val", "nested"]

RAVDESS_LABELS: tuple[str, ...] = (
    "neutral",
    "calm",
    "happy",
    "sad",
    "angry",
    "fearful",
    "disgust",
    "surprised",
)
"""Emotion by the third field of a RAVDESS name, which counts from 01."""

MANIFEST_COLUMNS: tuple[str, ...] = (
    "clip_id",
    "performance_id",
    "actor",
    "gender",
    "label",
    "path",
    "duration_s",
)
"""Columns of ``manifest.parquet``; ``cache/README.md`` describes them."""

PREDICTION_COLUMNS: tuple[str, ...] = (
    "stream",
    "features",
    "head",
    "seed",
    "fold",
    "split",
    "clip_id",
    "performance_id",
    "actor",
    "label",
    "logits",
)
"""Columns of ``predictions.parquet``, one row per system, seed, fold and clip."""

METRIC_FIELDS: tuple[str, ...] = (
    "stream",
    "features",
    "head",
    "protocol",
    "leaky",
    "select",
    "metric",
    "averaging",
    "value",
    "sd",
    "ci_low",
    "ci_high",
    "n",
)
"""Fields of one record of ``metrics.json``."""
