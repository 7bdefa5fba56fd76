"""The composition: caches × protocol × heads → predictions → fusion, with nothing chosen on a test row."""

import logging
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np

from ravfeat import __version__
from ravfeat.corpora.labels import replaced_labels
from ravfeat.experiment.plan import FitPlan, alone, build_head, check_plan, heads_of, joint_caches, read_layers
from ravfeat.experiment.plan_file import plan_record
from ravfeat.experiment.selection import InnerFolds, TrainedHead, by_validation, nested
from ravfeat.experiment.systems import CacheSystem, open_systems
from ravfeat.features.clips import ClipFeatures, Reading
from ravfeat.features.load import load_features, load_joined
from ravfeat.features.training_rows import stack_features
from ravfeat.fusion import fuse, members_of
from ravfeat.heads.base import Head
from ravfeat.heads.parallel import one_thread_each
from ravfeat.predictions import Predictions, concatenate
from ravfeat.protocols.folds import check_inner, inner_folds
from ravfeat.protocols.named import Protocol, get_protocol
from ravfeat.runs.result import Fitted, FittedModel
from ravfeat.schema import Rule, Select

__all__ = [
    "FitPlan",
    "Fitted",
    "FittedModel",
    "PreparedPlan",
    "fit_heads",
    "fused",
    "gather",
    "load_system",
    "load_training",
    "prepare",
    "train",
]

_log = logging.getLogger(__name__)

Load = Callable[[FitPlan, CacheSystem, Reading], ClipFeatures]


@dataclass(frozen=True)
class PreparedPlan:
    """A plan whose every part was found and checked; nothing is trained yet.

    Attributes
    ----------
    plan : FitPlan
    protocol : Protocol
    select : {"val", "nested"}
        What the protocol makes of the plan's.
    systems : tuple of CacheSystem
    heads : tuple of tuple of Head
        Of each system.
    inner : tuple of InnerFolds or None
        Of each system; None where the protocol's validation rows choose.
    """

    plan: FitPlan
    protocol: Protocol
    select: Select
    systems: tuple[CacheSystem, ...]
    heads: tuple[tuple[Head, ...], ...]
    inner: tuple[InnerFolds | None, ...]

    def by_system(self) -> tuple["PreparedPlan", ...]:
        """Give every system as a plan of its own; `gather` puts together what they give."""
        parts = zip(self.systems, self.heads, self.inner, strict=True)
        return tuple(replace(self, systems=(system,), heads=(heads,), inner=(inner,)) for system, heads, inner in parts)


def fit_heads(plan: FitPlan) -> Fitted:
    """Train every head on every cache and join, predict every test clip once per seed, and fuse.

    Whatever can be refused is refused before the first head is trained; see `prepare`.
    """
    return fused(train(prepare(plan)), plan.rule)


def fused(fitted: Fitted, rule: Rule | None) -> Fitted:
    """Add what fusing the systems gives; nothing for a single one, or without a rule."""
    if rule is None or len(members_of(fitted.predictions)) < 2:
        return fitted
    predictions, fusion = fuse(fitted.predictions, rule)
    return replace(fitted, predictions=predictions, fusion=fusion)


def prepare(plan: FitPlan) -> PreparedPlan:
    """Open what a plan names and check that it can be done.

    Raises
    ------
    LeakError, ProtocolError
        Where the folds do not hold.
    CacheError
        Where clips are missing and ``allow_missing`` is not set, or a head needs what a cache lacks.
    UsageError
        For an unknown protocol, head or layer, a setting that no head has, caches that do not
        belong into one run or one join.
    """
    protocol = get_protocol(plan.protocol)
    select: Select = "nested" if protocol.always_nested else plan.select
    if select != plan.select:
        _log.warning("protocol '%s' has no validation actors of its own: selection is nested", protocol.name)
    check_plan(plan)
    systems = open_systems(
        alone(plan),
        protocol,
        joins=plan.joins,
        joint=joint_caches(plan),
        labels=plan.labels,
        allow_leak=plan.allow_leak,
        allow_missing=plan.allow_missing,
        together=plan.rule is not None,
        train_views=plan.train_views,
    )
    # A cache that only the joint head reads is no system of its own.
    systems = [system for system in systems if heads_of(plan, system)]
    heads = tuple(tuple(build_head(name, plan, system) for name in heads_of(plan, system)) for system in systems)
    inner = tuple(_inner(system, protocol) if select == "nested" else None for system in systems)
    return PreparedPlan(plan, protocol, select, tuple(systems), heads, inner)


def load_system(plan: FitPlan, system: CacheSystem, reading: Reading) -> ClipFeatures:
    """Read the features of a system's clips, in the order of ``system.clips.records``."""
    layers = read_layers(plan, system)
    if system.joint:
        sides = zip(system.caches, system.clip_ids, layers, strict=True)
        first, *others = (load_features(cache, clip_ids, reading, layers=own) for cache, clip_ids, own in sides)
        return replace(first, also=tuple(others))
    if system.joined:
        return load_joined(system.caches, system.clip_ids, reading.statistics, layers=layers)
    return load_features(system.caches[0], system.clip_ids[0], reading, layers=layers[0])


def load_training(plan: FitPlan, system: CacheSystem, reading: Reading, load: Load = load_system) -> ClipFeatures:
    """Read the features of a system's clips and, after them, of their views; see `CacheSystem.rows`."""
    return stack_features([load(plan, system, reading), *_load_views(plan, system, reading)])


def _load_views(plan: FitPlan, system: CacheSystem, reading: Reading) -> list[ClipFeatures]:
    layers = read_layers(plan, system)[0]
    return [load_features(view.cache, view.clip_ids, reading, layers=layers) for view in system.views]


def train(prepared: PreparedPlan, load: Load = load_system) -> Fitted:
    """Train what was prepared.

    Parameters
    ----------
    prepared : PreparedPlan
    load : callable
        Reads a system's features; whoever trains several plans on them may keep them.
    """
    parts: list[Predictions] = []
    models: list[FittedModel] = []
    for system, heads, inner in zip(prepared.systems, prepared.heads, prepared.inner, strict=True):
        reading, features = None, None
        for head in heads:
            if features is None or head.reading != reading:  # heads that read alike share what was read
                features = None  # or both would be in memory
                reading, features = head.reading, load_training(prepared.plan, system, head.reading, load)
            trained, part = _fit_system(system, head, features, prepared, inner)
            parts.append(part)
            models += [
                FittedModel(system.stream, system.features, head.name, one.seed, one.fold.number, one.model)
                for one in trained
            ]
    about = {
        "protocol": prepared.protocol.name,
        "leaky": prepared.protocol.leaky,
        "select": prepared.select,
        "seeds": prepared.plan.seeds,
        "classes": list(prepared.systems[0].clips.classes),
        "caches": [system.about() for system in prepared.systems],
        "plan": plan_record(prepared.plan),
        "versions": _versions(),
    }
    about |= _replaced_labels(prepared)
    return Fitted(concatenate(parts), tuple(models), about)


def _replaced_labels(prepared: PreparedPlan) -> dict[str, Any]:
    path, first = prepared.plan.labels, prepared.systems[0]
    if path is None:
        return {}
    return {"replaced_labels": replaced_labels(path, first.clips, first.caches[0].records())}


def gather(parts: Sequence[Fitted]) -> Fitted:
    """Put together what the systems of one plan gave, in their order; see `PreparedPlan.by_system`."""
    caches = [about for part in parts for about in part.about["caches"]]
    models = tuple(model for part in parts for model in part.models)
    return Fitted(concatenate([part.predictions for part in parts]), models, parts[0].about | {"caches": caches})


def _inner(system: CacheSystem, protocol: Protocol) -> InnerFolds:
    inner = {fold.number: inner_folds(protocol, fold, system.clips.records) for fold in system.folds}
    for cache, clip_ids in zip(system.caches[1:], system.clip_ids[1:], strict=True):
        known = cache.records()  # one recording may be under two actors in one of the caches only
        records = [known[clip_id] for clip_id in clip_ids]
        for fold in system.folds:
            check_inner(protocol, fold, inner[fold.number], records)
    return inner


def _versions() -> dict[str, str]:
    libraries = {name: version(name) for name in ("numpy", "scipy", "torch")}
    return {"ravfeat": __version__, "python": platform.python_version()} | libraries


def _fit_system(
    system: CacheSystem, head: Head, features: ClipFeatures, prepared: PreparedPlan, inner: InnerFolds | None
) -> tuple[list[TrainedHead], Predictions]:
    y, n_classes = system.clips.y, len(system.clips.classes)
    seeds = prepared.plan.seeds if head.seeded else 1
    tasks = [(fold, seed) for seed in range(seeds) for fold in system.folds]
    if inner is None:
        trained = by_validation(head, features, y, n_classes, tasks, system.rows)
    else:
        trained = nested(head, features, y, n_classes, tasks, inner, system.rows)
    with one_thread_each():  # whoever scores these clips again gets the same bits, however many processors there are
        tests = [one.model.logits(features, one.fold.test) for one in trained]
    nested_selection = inner is not None
    return trained, _predictions(
        system, head.name, trained, tests, prepared.protocol, nested_selection=nested_selection
    )


def _predictions(
    system: CacheSystem,
    head: str,
    trained: Sequence[TrainedHead],
    tests: Sequence[np.ndarray[Any, Any]],
    protocol: Protocol,
    *,
    nested_selection: bool,
) -> Predictions:
    blocks = [
        block
        for one, test in zip(trained, tests, strict=True)
        for block in ((one, "val", one.val_rows, one.val_logits), (one, "test", one.fold.test, test))
    ]
    own = [system.clips.records[int(row)] for _, _, rows, _ in blocks for row in rows]
    columns: dict[str, Any] = {
        "stream": system.stream,
        "features": system.features,
        "head": head,
        "fold": np.concatenate([np.full(len(rows), one.fold.number) for one, _, rows, _ in blocks]),
        "seed": np.concatenate([np.full(len(rows), one.seed) for one, _, rows, _ in blocks]),
        "split": [split for _, split, rows, _ in blocks for _ in rows],
        "clip_id": [record.clip_id for record in own],
        "performance_id": [record.performance_id for record in own],
        "actor": [record.actor for record in own],
        "label": [record.label for record in own],
        "logits": np.concatenate([logits for _, _, _, logits in blocks]),
    }
    return Predictions.from_columns(
        columns,
        classes=system.clips.classes,
        protocol=protocol.name,
        leaky=protocol.leaky,
        select="nested" if nested_selection else "val",
        synthetic=system.synthetic,
    )
