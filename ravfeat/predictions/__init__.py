"""Prediction tables: the only thing that passes from trained heads to everything after them.

A table has one row per system (stream, features, head), seed, fold, split and clip, with the
columns of `schema.PREDICTION_COLUMNS`. What holds for the whole table (classes, protocol, whether
the split leaks, how models were selected, whether the corpus is synthetic) travels in the Parquet
metadata, so a file never loses it.

Conventions
-----------
Axes: N clips, S seeds, K classes. Logits are float32; probabilities are their softmax in float64.
Only ``val`` rows may be learned from; only ``test`` rows may be quoted. There are no train rows.
"""

from ravfeat.predictions.average import SystemProbs, mean_of_seeds
from ravfeat.predictions.columns import SYSTEM_COLUMNS, System
from ravfeat.predictions.evidence import CROSSFIT, Evidence, check_learnable, evidence_of
from ravfeat.predictions.files import FORMAT_VERSION, read_scores, write_scores
from ravfeat.predictions.table import Predictions, concatenate

__all__ = [
    "CROSSFIT",
    "FORMAT_VERSION",
    "SYSTEM_COLUMNS",
    "Evidence",
    "Predictions",
    "System",
    "SystemProbs",
    "check_learnable",
    "concatenate",
    "evidence_of",
    "mean_of_seeds",
    "read_scores",
    "write_scores",
]
