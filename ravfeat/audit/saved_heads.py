"""Whether the saved heads, on the features of the caches, say what the predictions hold."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.audit.context import Opened
from ravfeat.audit.features import Features
from ravfeat.audit.verdicts import Line, edited, leak, not_possible, pass_
from ravfeat.errors import HeadError
from ravfeat.experiment.fit import PreparedPlan
from ravfeat.experiment.systems import CacheSystem
from ravfeat.features.clips import ClipFeatures
from ravfeat.heads.base import Head
from ravfeat.predictions import Predictions
from ravfeat.predictions import System as Scored
from ravfeat.protocols.folds import Fold

__all__ = ["TOLERANCE", "check_saved_heads", "distance", "logits_of"]

_CHECK = "saved heads give the test rows"

TOLERANCE = 2e-3
"""Of logits, relative to the largest: sums of float32 in another order, on another machine."""

Logits = Mapping[tuple[int, int, str, str], NDArray[np.float32]]
"""By seed, fold, split and clip."""


def logits_of(predictions: Predictions, scored: Scored) -> Logits:
    """Give the logits of one system."""
    own = predictions.select_system(scored)
    keys = zip(*(own.table[name].to_pylist() for name in ("seed", "fold", "split", "clip_id")), strict=True)
    return dict(zip(keys, own.logits(), strict=True))


def check_saved_heads(opened: Opened, prepared: PreparedPlan, load: Features) -> list[Line]:
    """Let every saved head of one system score the clips it was tested on; `prepared` holds that system only."""
    (system,), (heads,) = prepared.systems, prepared.heads
    return [_check(opened, prepared, system, head, load) for head in heads]


def _check(opened: Opened, prepared: PreparedPlan, system: CacheSystem, head: Head, load: Features) -> Line:
    scored = Scored(system.stream, system.features, head.name)
    folder = opened.path / "heads" / "-".join(scored)
    if opened.predictions is None or scored not in opened.systems():
        return not_possible(_CHECK, str(scored), opened.refused or "the predictions hold no row of it")
    if not folder.is_dir():
        return edited(_CHECK, str(scored), f"{folder} is missing; the run was written with its heads")
    features = load(prepared.plan, system, head.reading)
    stored = logits_of(opened.predictions, scored)
    # Nested val rows are said by heads of inner folds, which are not kept.
    sides = ("test",) if prepared.select == "nested" else ("val", "test")
    worst, where = 0.0, ""
    for seed in range(prepared.plan.seeds if head.seeded else 1):
        for fold in system.folds:
            stem = folder / f"fold-{fold.number}-seed-{seed}"
            try:
                offs = [
                    (_distance(stem, seed, (fold, split), system, features, stored, prepared.plan.device), split)
                    for split in sides
                ]
            except HeadError as error:
                return edited(_CHECK, str(scored), error.args[0])
            off, split = max(offs)
            if off >= worst:
                worst, where = off, f"fold {fold.number}, seed {seed}, {split} rows"
    if worst > TOLERANCE:
        return leak(
            _CHECK,
            str(scored),
            f"{where}: the saved head says logits that differ by {worst:.3g} of the largest; the predictions do not"
            " come from these heads and these features",
            worst=worst,
        )
    return pass_(
        _CHECK,
        str(scored),
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
    device: str,
) -> float:
    from ravfeat.heads.checkpoint import load_model  # brings torch

    fold, split = side
    rows = fold.test if split == "test" else fold.val
    said = load_model(stem, device=device).logits(features, rows)
    names = [system.clips.records[row].clip_id for row in rows.tolist()]
    found = [stored.get((seed, fold.number, split, name)) for name in names]
    if lacking := [name for name, one in zip(names, found, strict=True) if one is None]:
        raise HeadError(f"predictions.parquet has no {split} row of {lacking[0]} in fold {fold.number}, seed {seed}")
    return distance(said, np.stack([one for one in found if one is not None]))


def distance(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Give the largest difference of logits, as a share of the largest logit."""
    if a.shape != b.shape:
        return float("inf")
    return float(np.abs(a - b).max() / max(1e-6, float(np.abs(b).max())))
