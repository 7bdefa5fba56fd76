"""Fuse the systems of a table of predictions, fold by fold, into new rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import PredictionsError
from ravfeat.fusion.aligned import AlignedRows, align_rows
from ravfeat.fusion.fit import FoldFusion, fit_fold
from ravfeat.predictions import CROSSFIT, Evidence, Predictions, System, concatenate, evidence_of
from ravfeat.schema import CONTROL_STREAMS, FUSED_STREAMS, Rule
from ravfeat.short_repr import short_repr

__all__ = ["Fusion", "fuse", "fused_logits", "members_of", "name_of"]


@short_repr
@dataclass(frozen=True)
class Fusion:
    """What the fusion of a table learned.

    Attributes
    ----------
    rule : {"auto", "linear", "loglinear"}
    systems : tuple of System, length M
    seeds : tuple of int, length M
        How many seeds of each were averaged.
    folds : tuple of FoldFusion
    """

    rule: Rule
    systems: tuple[System, ...]
    seeds: tuple[int, ...]
    folds: tuple[FoldFusion, ...]


def members_of(predictions: Predictions) -> list[System]:
    """Systems of a table that can be fused: all but controls and those that are fused already."""
    excluded = (*FUSED_STREAMS, *CONTROL_STREAMS)
    return [system for system in predictions.systems() if system.stream not in excluded]


def name_of(systems: Sequence[System], stream: str) -> System:
    """Name a fusion: all its features, and all its heads, each once."""
    # Concatenated caches are named after each, which may be systems of their own as well.
    features = dict.fromkeys(name for system in systems for name in system.features.split("+"))
    heads = dict.fromkeys(system.head for system in systems)
    return System(stream, "+".join(features), "+".join(heads))


def fuse(predictions: Predictions, rule: Rule = "auto") -> tuple[Predictions, Fusion]:
    """Fuse all systems of a table, fold by fold, from rows that may be learned from.

    Every system is averaged over its seeds and divided by its temperature; then the two rules of
    `ravfeat.fusion.mixing` mix them, and `rule` says which of the mixtures is ``fused``.

    Parameters
    ----------
    predictions : Predictions
        At least two systems; rows of earlier fusions are replaced.
    rule : {"auto", "linear", "loglinear"}

    Returns
    -------
    Predictions
        The rows given, controls too, and those of the streams ``fused`` (the chosen rule), ``fused-linear`` and
        ``fused-loglinear``, val and test. Their logits are the log-probabilities of the mixture but for a
        constant per clip, and they have seed 0. Where the systems are cross-fitted, the val rows of a fused fold
        are the rows of other folds that it learned from, mixed with its own weights: what is learned from them
        knows nothing of the fold either.
    Fusion

    Raises
    ------
    PredictionsError
        For fewer than two systems; for systems that do not test the same performances in the same folds, or
        do not have the same rows to learn from.
    """
    systems = members_of(predictions)
    if len(systems) < 2:
        raise PredictionsError(
            f"fusing needs at least two systems, got {', '.join(map(str, systems)) or 'none'}; add a cache, a head or a"
            " score file"
        )
    # Fold by fold: what a fold's fusion learns may not know the rows that are tested in it.
    by_fold = _folds(systems, [evidence_of(predictions, system) for system in systems])
    fitted, blocks = [], []
    for evidence in by_fold:
        fold, learned = fit_fold(systems, evidence, rule)
        tested = align_rows(systems, [part.read for part in evidence], f"fold {fold.fold}, test")
        fitted.append(fold)
        blocks += [(fold, learned), (fold, tested)]
    members = concatenate([predictions.select_system(system) for system in systems])
    seeds = tuple(len(predictions.seeds(system)) for system in systems)
    names = [system for system in predictions.systems() if system.stream in CONTROL_STREAMS]
    controls = [predictions.select_system(system) for system in names]
    fused = [_rows(members, name_of(systems, stream), blocks) for stream in FUSED_STREAMS]
    return concatenate([members, *controls, *fused]), Fusion(rule, tuple(systems), seeds, tuple(fitted))


def fused_logits(mixed: NDArray[np.float64]) -> NDArray[np.float32]:
    """Give mixed log-probabilities, shape (N, K), as the logits of a fused row."""
    # From the largest on, so that float32 keeps apart what is nearly equal.
    return np.asarray(mixed - mixed.max(1, keepdims=True), dtype=np.float32)


def _folds(systems: Sequence[System], evidence: Sequence[list[Evidence]]) -> list[tuple[Evidence, ...]]:
    """Turn folds of systems into systems of folds."""
    numbers = [[part.fold for part in folds] for folds in evidence]
    for system, folds in zip(systems, numbers, strict=True):
        if folds != numbers[0]:
            raise PredictionsError(
                f"{systems[0]} tests the folds {numbers[0]}, {system} the folds {folds}; systems that are fused come"
                " from one protocol"
            )
    return list(zip(*evidence, strict=True))


def _rows(table: Predictions, system: System, blocks: Sequence[tuple[FoldFusion, AlignedRows]]) -> Predictions:
    columns: dict[str, list[NDArray[Any]]] = {name: [] for name in ("fold", "split", "label", "logits")}
    facts: dict[str, list[NDArray[Any]]] = {name: [] for name in ("clip_id", "performance_id", "actor")}
    for fold, rows in blocks:
        n = len(rows.y)
        columns["fold"].append(np.full(n, fold.fold))
        # Rows that other folds tested are, in this fold, what may be learned from.
        columns["split"].append(np.full(n, "val" if rows.split == CROSSFIT else rows.split))
        columns["label"].append(np.take(table.classes, rows.y))
        columns["logits"].append(fused_logits(fold.mix(fold.choices[system.stream], fold.calibrated(rows.log_probs))))
        for name, parts in facts.items():
            parts.append(getattr(rows, f"{name}s"))
    return Predictions.from_columns(
        {**system._asdict(), "seed": 0} | {name: np.concatenate(parts) for name, parts in (columns | facts).items()},
        classes=table.classes,
        protocol=table.protocol,
        leaky=table.leaky,
        select=table.select,
        synthetic=table.synthetic,
    )
