"""Importance of the inputs of every head of a run, written as ``importance.json`` beside its predictions."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ravfeat.audit.context import RunContext, open_run
from ravfeat.errors import PredictionsError
from ravfeat.experiment.build import read_layers
from ravfeat.experiment.fit import PreparedPlan
from ravfeat.experiment.load import load_training
from ravfeat.features.clips import ClipFeatures
from ravfeat.files import replace_file, sha256_of
from ravfeat.heads.base import Head
from ravfeat.importance.groups import Group, groups_of
from ravfeat.importance.measure import measure_head
from ravfeat.predictions import Predictions
from ravfeat.runs.format import IMPORTANCE_FILE, PREDICTIONS_FILE
from ravfeat.runs.importance_file import GroupKind, Importance, SystemImportance

__all__ = ["measure_run"]


def measure_run(
    path: Path,
    *,
    caches: Sequence[Path] = (),
    repeats: int = 10,
    kinds: Sequence[GroupKind] = (),
    alone: bool = False,
    device: str = "cpu",
) -> Importance:
    """Shuffle groups of inputs of a run's heads on its test clips, and write what that costs.

    Parameters
    ----------
    path : Path
        A run's folder; gets ``importance.json``.
    caches : sequence of Path
        Where its caches lie now, where they were moved.
    repeats : int
        How often each group is shuffled.
    kinds : sequence of str
        Kinds of groups, see `ravfeat.importance.groups`; all by default.
    alone : bool
        Also measure what is left with everything but a group shuffled; takes twice as long.
    device : str

    Raises
    ------
    PredictionsError
        Where there is no run, it has no heads on caches, or these do not give its predictions.
    CacheError
        Where a cache is gone or another one by now.
    """
    context = open_run(path, caches, device=device)
    predictions, plans = _ready(context)
    systems: list[SystemImportance] = []
    for prepared in plans:
        reading, features = None, None
        for head in prepared.heads[0]:
            if features is None or head.reading != reading:
                features = None  # or both would be in memory
                reading, features = head.reading, load_training(prepared.plan, prepared.systems[0], head.reading)
            groups = _groups(prepared, head, features, kinds)
            systems.append(
                measure_head(path, predictions, prepared, head, features, groups, repeats=repeats, alone=alone)
            )
    importance = Importance(repeats, sha256_of(path / PREDICTIONS_FILE), tuple(systems))
    text = json.dumps(asdict(importance), indent=1, ensure_ascii=False, allow_nan=False)
    replace_file(path / IMPORTANCE_FILE, f"{text}\n".encode())
    return importance


def _ready(context: RunContext) -> tuple[Predictions, tuple[PreparedPlan, ...]]:
    if context.prepared is None or context.predictions is None:
        reason = context.reason or context.refusal
        raise PredictionsError(f"{context.path}: there are no heads whose inputs could be shuffled: {reason}")
    return context.predictions, context.prepared.by_system()


def _groups(prepared: PreparedPlan, head: Head, features: ClipFeatures, kinds: Sequence[GroupKind]) -> list[Group]:
    system = prepared.systems[0]
    read = read_layers(prepared.plan, system)
    layers = [cache.layers if chosen is None else chosen for cache, chosen in zip(system.caches, read, strict=True)]
    return [group for group in groups_of(features, system, layers) if not kinds or group.kind in (*kinds, "all")]
