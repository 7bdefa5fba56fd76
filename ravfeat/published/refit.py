"""Refit heads on all actors of a corpus, with temperatures and fusion weights from out-of-fold logits.

Inner folds over all actors do what nested selection does within a fold: every actor is left out once, what the heads
that never met the actor predict chooses the settings, and gives the temperatures and the weights. Then every head
is trained once more, on everybody. Such a head cannot be scored on this corpus; see `NOT_MEASURED`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ravfeat.calibrate import Temperature, fit_temperature
from ravfeat.errors import UsageError
from ravfeat.experiment.fit import PreparedPlan
from ravfeat.experiment.load import load_training
from ravfeat.experiment.selection import InnerFolds, TrainedHead, inner_folds_of, nested
from ravfeat.experiment.systems import CacheSystem
from ravfeat.fusion import fit_fold, fused_logits
from ravfeat.heads.base import Head, Model
from ravfeat.predictions import Evidence, SystemProbs, mean_of_seeds
from ravfeat.predictions import System as Graded
from ravfeat.protocols.folds import Fold
from ravfeat.published.parts import Learned, mixed_in
from ravfeat.schema import FUSED_STREAMS, Rule

__all__ = ["NOT_MEASURED", "Refitted", "refit"]

NOT_MEASURED = "not measured on this model; the protocol's number is of its {n} siblings"
"""What stands for the score of a head that was trained on everybody."""

_EVERYBODY = -1


@dataclass(frozen=True)
class Refitted:
    """Heads of all actors.

    Attributes
    ----------
    models : mapping of System to tuple of Model
        One for each seed.
    learned : Learned
    n_inner : int
        Inner folds that chose.
    n_clips : int
    """

    models: Mapping[Graded, tuple[Model, ...]]
    learned: Learned
    n_inner: int
    n_clips: int


def refit(prepared: PreparedPlan, members: Sequence[Graded], rule: Rule | None) -> Refitted:
    """Choose on inner actor-grouped folds over all actors, then train on all.

    Parameters
    ----------
    prepared : PreparedPlan
        The run's plan.
    members : sequence of System
        The run's systems, sorted.
    rule : {"auto", "linear", "loglinear"} or None
        The run's.

    Raises
    ------
    UsageError
        Where the plan does not make one of the systems.
    ProtocolError
        Where there are too few actors.
    """
    trained: dict[Graded, list[TrainedHead]] = {}
    evidence: dict[Graded, SystemProbs] = {}
    n_inner = 0
    for system, heads in zip(prepared.systems, prepared.heads, strict=True):
        inner = inner_folds_of(system, prepared.protocol, [_everybody(system)])
        n_inner = len(inner[_EVERYBODY])
        for head in heads:
            name = Graded(system.stream, system.features, head.name)
            trained[name] = _train(system, head, inner, prepared)
            evidence[name] = _out_of_fold(system, trained[name])
    if odd := sorted(set(members) ^ trained.keys()):
        raise UsageError(f"the plan of the run does not make its system {odd[0]}; make the run again")
    learned = _learn([evidence[name] for name in members], members, rule)
    models = {
        name: tuple(seed_head.model for seed_head in heads_of_system) for name, heads_of_system in trained.items()
    }
    return Refitted(models, learned, n_inner, len(prepared.systems[0].clips.records))


def _everybody(system: CacheSystem) -> Fold:
    none = np.zeros(0, dtype=np.int64)
    return Fold(_EVERYBODY, np.arange(len(system.clips.records)), none, none)


def _train(system: CacheSystem, head: Head, inner: InnerFolds, prepared: PreparedPlan) -> list[TrainedHead]:
    features = load_training(prepared.plan, system, head.reading)
    seeds = range(prepared.plan.seeds if head.seeded else 1)
    tasks = [(_everybody(system), seed) for seed in seeds]
    y, n_classes = system.clips.y, len(system.clips.classes)
    return nested(head, features, y, n_classes, tasks, inner, system.rows)


def _out_of_fold(system: CacheSystem, trained: Sequence[TrainedHead]) -> SystemProbs:
    """Give the out-of-fold logits of every clip: of heads that were not trained on its actor."""
    records = [system.clips.records[int(row)] for row in trained[0].val_rows]
    return SystemProbs(
        clip_ids=np.array([record.clip_id for record in records], dtype=object),
        performance_ids=np.array([record.performance_id for record in records], dtype=object),
        actors=np.array([record.actor for record in records], dtype=object),
        folds=np.full(len(records), _EVERYBODY),
        y=system.clips.y[trained[0].val_rows],
        log_probs=mean_of_seeds(np.stack([head.val_logits for head in trained], axis=1)),
        classes=system.clips.classes,
        seeds=tuple(head.seed for head in trained),
        split="val",
    )


def _learn(rows_of: Sequence[SystemProbs], members: Sequence[Graded], rule: Rule | None) -> Learned:
    temperatures = tuple(fit_temperature(rows).temperature_ for rows in rows_of)
    if rule is None:
        return Learned(temperatures)
    mixed = mixed_in(members)
    # A fold's fusion looks at the rows to learn from only.
    evidence = [Evidence(_EVERYBODY, rows_of[number], rows_of[number]) for number in mixed]
    fusion, rows = fit_fold([members[number] for number in mixed], evidence, rule)
    calibrated = fusion.calibrated(rows.log_probs)
    fused = []
    for stream in FUSED_STREAMS:
        logits = fused_logits(fusion.mix(fusion.choices[stream], calibrated))
        fused.append(Temperature().fit(mean_of_seeds(logits[:, None]), rows.y).temperature_)
    return Learned(temperatures, fusion, tuple(fused))
