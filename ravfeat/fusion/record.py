"""Record a fusion as plain values for ``fusion.json``: weights, temperatures, scores."""

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
        "folds": [_fold(fitted, fusion, test) for fitted in fusion.folds],
    }


def _all(fusion: Fusion) -> list[System]:
    return [*fusion.systems, *(name_of(fusion.systems, stream) for stream in FUSED_STREAMS)]


def _by_fold(predictions: Predictions, system: System) -> dict[int, float]:
    probs = predictions.seed_averaged(system)
    folds = {fold: probs.rows(probs.folds == fold) for fold in np.unique(probs.folds).tolist()}
    return {fold: metrics.uar(rows.y, metrics.decide(rows.log_probs)) for fold, rows in folds.items()}


def _fold(fitted: FoldFusion, fusion: Fusion, test: dict[System, dict[int, float]]) -> dict[str, Any]:
    mixtures = {stream: test[name_of(fusion.systems, stream)][fitted.fold] for stream in FUSED_STREAMS}
    # Test rows are read here, for the record; nothing was chosen by them.
    singles = [test[system][fitted.fold] for system in fusion.systems]
    return {
        "fold": fitted.fold,
        "split": fitted.split,
        "n": fitted.n,
        "temperatures": [temperature.temperature_ for temperature in fitted.temperatures],
        "temperatures_at_bound": [temperature.at_bound_ for temperature in fitted.temperatures],
        "chosen": fitted.chosen,
        "single": fitted.single,
        "linear": fitted.linear.tolist(),
        "loglinear": fitted.loglinear.tolist(),
        "loglinear_at_bound": list(fitted.at_bound),
        "learned": {
            "singles": [vars(score) for score in fitted.singles],
            **{choice: vars(score) for choice, score in fitted.scores.items() if choice != "single"},
        },
        "test": {"singles": singles, **mixtures, "gain": mixtures["fused"] - singles[fitted.single]},
    }
