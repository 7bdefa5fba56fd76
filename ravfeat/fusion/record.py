"""What a fusion learned and what came of it, as plain values for ``fusion.json``."""

from typing import Any

import numpy as np

from ravfeat import metrics
from ravfeat.fusion.fit import FoldFusion
from ravfeat.fusion.table import Fusion, name_of
from ravfeat.predictions import Predictions, System
from ravfeat.schema import FUSED_STREAMS

__all__ = ["fusion_record"]


def fusion_record(fusion: Fusion, predictions: Predictions) -> dict[str, Any]:
    """Give rule, protocol, systems and, per fold, temperatures, weights, the choice, and both sides' scores.

    Parameters
    ----------
    fusion : Fusion
    predictions : Predictions
        What `ravfeat.fusion.fuse` gave with it; its test rows are read here and nowhere before.

    Returns
    -------
    dict
        ``learned`` scores are those of the rows that were learned from (UAR, and NLL at the temperature that
        suits them best). ``test`` holds UAR only, ``gain`` is that of ``fused`` over the single system that was best
        where it was learned, and may be negative.
    """
    test = {system: _by_fold(predictions, system) for system in _all(fusion)}
    return {
        "rule": fusion.rule,
        "protocol": predictions.protocol,
        "leaky": predictions.leaky,
        "select": predictions.select,
        "systems": [
            {**system._asdict(), "seeds": seeds} for system, seeds in zip(fusion.systems, fusion.seeds, strict=True)
        ],
        "folds": [_fold(one, fusion, test) for one in fusion.folds],
    }


def _all(fusion: Fusion) -> list[System]:
    return [*fusion.systems, *(name_of(fusion.systems, stream) for stream in FUSED_STREAMS)]


def _by_fold(predictions: Predictions, system: System) -> dict[int, float]:
    probs = predictions.seed_averaged(system)
    folds = {fold: probs.rows(probs.folds == fold) for fold in np.unique(probs.folds).tolist()}
    return {fold: metrics.uar(own.y, metrics.decide(own.log_probs)) for fold, own in folds.items()}


def _fold(one: FoldFusion, fusion: Fusion, test: dict[System, dict[int, float]]) -> dict[str, Any]:
    mixtures = {stream: test[name_of(fusion.systems, stream)][one.fold] for stream in FUSED_STREAMS}
    singles = [test[system][one.fold] for system in fusion.systems]
    return {
        "fold": one.fold,
        "split": one.split,
        "n": one.n,
        "temperatures": [temperature.temperature_ for temperature in one.temperatures],
        "temperatures_at_bound": [temperature.at_bound_ for temperature in one.temperatures],
        "chosen": one.chosen,
        "single": one.single,
        "linear": one.linear.tolist(),
        "loglinear": one.loglinear.tolist(),
        "loglinear_at_bound": list(one.at_bound),
        "learned": {
            "singles": [vars(score) for score in one.singles],
            **{choice: vars(score) for choice, score in one.scores.items() if choice != "single"},
        },
        "test": {"singles": singles, **mixtures, "gain": mixtures["fused"] - singles[one.single]},
    }
