"""File names and format version of a run folder.

=======================  ============================================================  ==============================
file                     holds                                                         schema
=======================  ============================================================  ==============================
``recipe.json``          what the run was made from, how, and with which versions      `recipe.Recipe`
``predictions.parquet``  logits of every system, seed, fold and clip                   `ravfeat.predictions`
``scores.parquet``       scores of single seeds and folds                              `records.ScoreRow`
``metrics.json``         scores of every system, with intervals over actors            `records.MetricRecord`
``differences.json``     paired differences of every two systems                       `records.DifferenceRecord`
``calibration.json``     temperature of every system and fold                          `records.TemperatureRecord`
``fusion.json``          weights, rule and scores of a fusion; only if one was made    `records.FusionRecord`
``layer_weights.json``   learned weights of the encoder's layers                       `records.LayerWeightsEntry`
``heads/``               trained heads; only where some were trained                   `ravfeat.heads.checkpoint`
``groups.json``          columns of the test clips, to score by; only if known         `groups_file`
``audit.json``           what ``ravfeat audit`` found; only where it was called        `audit_file.AuditRecord`
``importance.json``      what the heads decide by; only where it was measured          `importance_file.Importance`
``stress.json``          the heads on changed recordings; only where it was tried      `stress_file.Stress`
``stress/``              logits under each condition, from which it goes on            `ravfeat.predictions`
=======================  ============================================================  ==============================

The folder of a comparison of splits holds two runs, ``actor/`` and ``clip/``, and ``splits.json``. That of a sweep
holds ``sweep.json``, plans that were validated only, in ``trials/``, and runs of those that won; see `ravfeat.sweep`.
"""

from pathlib import Path

from ravfeat.errors import PredictionsError
from ravfeat.files import check_name
from ravfeat.predictions import System

__all__ = [
    "ACTOR_RUN",
    "AGAIN",
    "AUDIT_FILE",
    "CALIBRATION_FILE",
    "CLIP_RUN",
    "DIFFERENCES_FILE",
    "FORMAT_VERSION",
    "FUSION_FILE",
    "GROUPS_FILE",
    "HEADS_FOLDER",
    "IMPORTANCE_FILE",
    "LAYER_WEIGHTS_FILE",
    "METRICS_FILE",
    "PREDICTIONS_FILE",
    "RECIPE_FILE",
    "SCORES_FILE",
    "SPLITS_FILE",
    "STRESS_FILE",
    "STRESS_FOLDER",
    "SWEEP_FILE",
    "TRIAL_FILE",
    "head_stem",
    "refuse_unrevealed",
    "runs_of",
]

FORMAT_VERSION = 1
"""Raised when a reader of the old version would misread the new one. Runs from before there was one have none."""

AGAIN = "make the run again"
"""What to do about a damaged file; ends messages."""

RECIPE_FILE = "recipe.json"
PREDICTIONS_FILE = "predictions.parquet"
SCORES_FILE = "scores.parquet"
METRICS_FILE = "metrics.json"
DIFFERENCES_FILE = "differences.json"
CALIBRATION_FILE = "calibration.json"
FUSION_FILE = "fusion.json"
LAYER_WEIGHTS_FILE = "layer_weights.json"
GROUPS_FILE = "groups.json"
AUDIT_FILE = "audit.json"
IMPORTANCE_FILE = "importance.json"
STRESS_FILE = "stress.json"
STRESS_FOLDER = "stress"
HEADS_FOLDER = "heads"

SPLITS_FILE = "splits.json"
"""Marks the folder of a comparison of splits."""

SWEEP_FILE, TRIAL_FILE = "sweep.json", "trial.json"
"""Marks the folder of a sweep, and the folders in it of plans that were validated and not tested."""

ACTOR_RUN, CLIP_RUN = "actor", "clip"
"""Folders of its two runs; the second one is LEAKY."""


def runs_of(path: Path) -> list[Path]:
    """Give the two runs of a comparison's folder; any other path as it is."""
    return [path / ACTOR_RUN, path / CLIP_RUN] if (path / SPLITS_FILE).is_file() else [path]


def refuse_unrevealed(path: Path) -> None:
    """Refuse the folder of a sweep, or of a plan in it, where a run is wanted: nothing in it was tested.

    Raises
    ------
    PredictionsError
    """
    if (path / TRIAL_FILE).is_file():
        raise PredictionsError(
            f"{path} is a plan of a sweep: validation only, no test clip was scored. Its scores are in sweep.md; the"
            " winner is tested by 'ravfeat sweep PLAN --reveal'"
        )
    if (path / SWEEP_FILE).is_file():
        raise PredictionsError(
            f"{path} is a sweep: validation only. Once 'ravfeat sweep PLAN --reveal' tested the winner, give its"
            f" folder, such as {path / 'winner'}"
        )


def head_stem(run: Path, system: System, fold: int, seed: int) -> Path:
    """Give the path of a trained head in a run, without suffix.

    Raises
    ------
    PredictionsError
        Where the system's names cannot be those of a folder.
    """
    folder = check_name("-".join(system), f"the folder of heads in {run}", PredictionsError, "make the run again")
    return run / HEADS_FOLDER / folder / f"fold-{fold}-seed-{seed}"
