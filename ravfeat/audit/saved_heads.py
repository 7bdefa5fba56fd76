"""Saved heads against the predictions: on the features of the caches they must give the stored logits."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.audit.context import RunContext
from ravfeat.audit.own_heads import NOT_RUN, is_absent
from ravfeat.audit.verdicts import Line, edited, leak, not_possible, pass_
from ravfeat.errors import HeadError
from ravfeat.experiment.fit import PreparedPlan
from ravfeat.experiment.load import FeatureLoader, load_scored
from ravfeat.experiment.own_heads import head_kinds
from ravfeat.experiment.plan import FitPlan
from ravfeat.experiment.systems import CacheSystem
from ravfeat.features.clips import ClipFeatures
from ravfeat.heads.base import Head
from ravfeat.heads.own_code import OwnCode
from ravfeat.predictions import Predictions, System
from ravfeat.protocols.folds import Fold
from ravfeat.runs.format import head_stem

__all__ = ["TOLERANCE", "check_saved_heads", "distance", "logits_of"]

_CHECK = "saved heads give the test rows"

TOLERANCE = 2e-3
"""Of logits, relative to the largest: sums of float32 in another order, on another machine."""

Logits = Mapping[tuple[int, int, str, str], NDArray[np.float32]]
"""By seed, fold, split and clip."""


def logits_of(predictions: Predictions, name: System) -> Logits:
    """Give the logits of one system."""
    rows = predictions.select_system(name)
    keys = zip(*(rows.table[column].to_pylist() for column in ("seed", "fold", "split", "clip_id")), strict=True)
    return dict(zip(keys, rows.logits(), strict=True))


def check_saved_heads(context: RunContext, prepared: PreparedPlan, load: FeatureLoader) -> list[Line]:
    """Let every saved head of one system score the clips it was tested on; `prepared` holds that system only."""
    (system,), (heads,) = prepared.systems, prepared.heads
    return [_check(context, prepared, system, head, load) for head in heads]


def _check(context: RunContext, prepared: PreparedPlan, system: CacheSystem, head: Head, load: FeatureLoader) -> Line:
    name = System(system.stream, system.features, head.name)
    folder = head_stem(context.path, name, 0, 0).parent
    if context.predictions is None or name not in context.systems():
        return not_possible(_CHECK, str(name), context.refusal or "the predictions hold no row of it")
    if is_absent(head):
        return not_possible(_CHECK, str(name), NOT_RUN)
    if isinstance(head, OwnCode) and head.kind == "classifier":
        return not_possible(_CHECK, str(name), "models of a user's own classifier are Python objects, and are not kept")
    if not folder.is_dir():
        return edited(_CHECK, str(name), f"{folder} is missing; the run was written with its heads")
    features = load_scored(prepared.plan, system, head.reading, load)
    stored = logits_of(context.predictions, name)
    # Nested val rows were predicted by heads of inner folds, which are not kept.
    sides = ("test",) if prepared.select == "nested" else ("val", "test")
    worst, where = 0.0, ""
    for seed in range(prepared.plan.seeds if head.seeded else 1):
        for fold in system.folds:
            stem = head_stem(context.path, name, fold.number, seed)
            try:
                distances = [
                    (_distance(stem, seed, (fold, split), system, features, stored, prepared.plan), split)
                    for split in sides
                ]
            except HeadError as error:
                return edited(_CHECK, str(name), error.args[0])
            largest, split = max(distances)
            if largest >= worst:  # not >: heads that agree to the bit need a place to name, too
                worst, where = largest, f"fold {fold.number}, seed {seed}, {split} rows"
    if worst > TOLERANCE:
        return leak(
            _CHECK,
            str(name),
            f"{where}: the saved head gives logits that differ by {worst:.3g} of the largest; the predictions do not"
            " come from these heads and these features",
            worst=worst,
        )
    return pass_(
        _CHECK,
        str(name),
        f"{len(system.folds)} folds, {' and '.join(sides)} rows: largest difference {worst:.1e} of the largest logit"
        f" ({where})",
        worst=worst,
    )


def _distance(
    stem: Path,
    seed: int,
    side: tuple[Fold, str],
    system: CacheSystem,
    features: ClipFeatures,
    stored: Logits,
    plan: FitPlan,
) -> float:
    from ravfeat.heads.checkpoint import load_model  # brings torch

    fold, split = side
    rows = fold.test if split == "test" else fold.val
    model = load_model(stem, device=plan.device, kinds=head_kinds(plan))
    with np.errstate(all="ignore"):  # what overflows is no agreement, see `distance`
        logits = system.rows.logits(model, features, rows)
    clip_ids = [system.clips.records[row].clip_id for row in rows.tolist()]
    keys = [(seed, fold.number, split, clip_id) for clip_id in clip_ids]
    if missing := [key for key in keys if key not in stored]:
        raise HeadError(f"predictions.parquet has no {split} row of {missing[0][3]} in fold {fold.number}, seed {seed}")
    return distance(logits, np.stack([stored[key] for key in keys]))


def distance(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Give the largest difference of logits, as a share of the largest logit; infinite where some are not finite."""
    if a.shape != b.shape or not np.isfinite(a).all():
        return float("inf")
    # 1e-6: logits that are all zero have no largest one to divide by.
    return float(np.abs(a - b).max() / max(1e-6, float(np.abs(b).max())))
