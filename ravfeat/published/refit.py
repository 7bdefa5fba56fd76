"""Heads that learn from all actors of a corpus, with temperatures and weights that no actor taught about himself.

Inner folds over all actors do what nested selection does within a fold: every actor is left out once, what the heads
that never met him say chooses the settings, and the same rows teach the temperatures and the weights. Then every head
is trained once more, on everybody. Such a head cannot be scored on this corpus; see `NOT_MEASURED`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ravfeat.calibrate import Temperature, fit_temperature
from ravfeat.errors import UsageError
from ravfeat.experiment.fit import PreparedPlan, load_training
from ravfeat.experiment.plan import FitPlan
from ravfeat.experiment.selection import TrainedHead, nested
from ravfeat.experiment.systems import CacheSystem
from ravfeat.fusion import fit_fold, fused_logits
from ravfeat.heads.base import Head, Model
from ravfeat.predictions import Evidence, SystemProbs, mean_of_seeds
from ravfeat.predictions import System as Graded
from ravfeat.protocols.folds import Fold, check_inner, inner_folds
from ravfeat.published.parts import Learned, mixed_in
from ravfeat.schema import FUSED_STREAMS, Rule

__all__ = ["NOT_MEASURED", "Refitted", "refit"]

NOT_MEASURED = "not measured on this model; the protocol's number is of its {n} siblings"
"""What is said of the score of a head that learned from everybody."""

_EVERYBODY = -1
_KNOWN = {
    "caches", "protocol", "heads", "select", "seeds", "device", "layers", "std", "settings", "labels", "allow_leak",
    "allow_missing", "joins", "rule", "train_views",
}  # fmt: skip


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
        For a plan with something that refitting does not know.
    ProtocolError
        Where there are too few actors.
    """
    _check_known(prepared.plan)
    trained: dict[Graded, list[TrainedHead]] = {}
    said: dict[Graded, SystemProbs] = {}
    n_inner = 0
    for system, heads in zip(prepared.systems, prepared.heads, strict=True):
        inner = _inner(system, prepared)
        n_inner = len(inner)
        for head in heads:
            name = Graded(system.stream, system.features, head.name)
            trained[name] = _train(system, head, inner, prepared)
            said[name] = _said(system, trained[name])
    if odd := sorted(set(members) ^ trained.keys()):
        raise UsageError(f"the plan of the run does not make its system {odd[0]}; make the run again")
    learned = _learn([said[name] for name in members], members, rule)
    models = {name: tuple(one.model for one in own) for name, own in trained.items()}
    return Refitted(models, learned, n_inner, len(prepared.systems[0].clips.records))


def _check_known(plan: FitPlan) -> None:
    plain: dict[str, Any] = {field.name: field.default for field in fields(plan) if field.name not in _KNOWN}
    if odd := [name for name, default in plain.items() if getattr(plan, name) != default]:
        raise UsageError(f"--refit does not know what to do with '{odd[0]}' of the run's plan; export without --refit")


def _everybody(system: CacheSystem) -> Fold:
    none = np.zeros(0, dtype=np.int64)
    return Fold(_EVERYBODY, np.arange(len(system.clips.records)), none, none)


def _inner(system: CacheSystem, prepared: PreparedPlan) -> list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    fold = _everybody(system)
    inner = inner_folds(prepared.protocol, fold, system.clips.records)
    for cache, clip_ids in zip(system.caches[1:], system.clip_ids[1:], strict=True):
        known = cache.records()  # one recording may be under two actors in one of the caches only
        check_inner(prepared.protocol, fold, inner, [known[clip_id] for clip_id in clip_ids])
    return inner


def _train(system: CacheSystem, head: Head, inner: Any, prepared: PreparedPlan) -> list[TrainedHead]:
    features = load_training(prepared.plan, system, head.reading)
    seeds = range(prepared.plan.seeds if head.seeded else 1)
    tasks = [(_everybody(system), seed) for seed in seeds]
    y, n_classes = system.clips.y, len(system.clips.classes)
    return nested(head, features, y, n_classes, tasks, {_EVERYBODY: inner}, system.rows)


def _said(system: CacheSystem, trained: Sequence[TrainedHead]) -> SystemProbs:
    """Give what was said of every clip by heads that never met its actor."""
    records = [system.clips.records[int(row)] for row in trained[0].val_rows]
    return SystemProbs(
        clip_ids=np.array([one.clip_id for one in records], dtype=object),
        performance_ids=np.array([one.performance_id for one in records], dtype=object),
        actors=np.array([one.actor for one in records], dtype=object),
        folds=np.full(len(records), _EVERYBODY),
        y=system.clips.y[trained[0].val_rows],
        log_probs=mean_of_seeds(np.stack([one.val_logits for one in trained], axis=1)),
        classes=system.clips.classes,
        seeds=tuple(one.seed for one in trained),
        split="val",
    )


def _learn(said: Sequence[SystemProbs], members: Sequence[Graded], rule: Rule | None) -> Learned:
    temperatures = tuple(fit_temperature(own).temperature_ for own in said)
    if rule is None:
        return Learned(temperatures)
    mixed = mixed_in(members)
    # A fold's fusion looks at the rows to learn from only.
    evidence = [Evidence(_EVERYBODY, said[number], said[number]) for number in mixed]
    one, rows = fit_fold([members[number] for number in mixed], evidence, rule)
    calibrated = one.calibrated(rows.log_probs)
    fused = []
    for stream in FUSED_STREAMS:
        logits = fused_logits(one.mix(one.choices[stream], calibrated))
        fused.append(Temperature().fit(mean_of_seeds(logits[:, None]), rows.y).temperature_)
    return Learned(temperatures, one, tuple(fused))
