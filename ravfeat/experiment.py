"""The composition: caches × protocol × heads → predictions, with nothing chosen on a test row.

Offers
------
FitPlan, Fitted, FittedModel, fit_heads.
"""

import logging
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ravfeat import __version__
from ravfeat.cache import Cache
from ravfeat.errors import UsageError
from ravfeat.folds import inner_folds
from ravfeat.heads.base import Head, Model
from ravfeat.heads.registry import HEADS, get_head
from ravfeat.layers import parse_layers
from ravfeat.predictions import Predictions, concatenate
from ravfeat.protocols import Protocol, get_protocol
from ravfeat.schema import Select
from ravfeat.selection import InnerFolds, Trained, by_validation, nested
from ravfeat.systems import System, open_systems
from ravfeat.view import check_reading, load_features

__all__ = ["FitPlan", "Fitted", "FittedModel", "fit_heads"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FitPlan:
    """What is to be trained and how it is graded.

    Attributes
    ----------
    caches : tuple of Path
        Of one corpus; every cache is a system of its own with every head.
    protocol : str
    heads : tuple of str
    select : {"val", "nested"}
        Whose rows choose layers, strengths and epochs: the protocol's validation actors, or five
        inner actor-grouped folds over all non-test actors.
    seeds : int
        Heads that depend on a seed are trained with seeds 0 to ``seeds - 1``.
    device : str
    layers : str or None
        ``last``, one number, a range ``6-12`` or a list ``1,5,9``; None lets the head choose.
    std : bool
        Whether heads pool the standard deviation beside the mean.
    settings : mapping
        Further settings, for those heads that have them.
    labels : Path or None
        Table of ``clip_id`` and ``label`` that replaces the corpus's labels.
    allow_leak, allow_missing : bool
    """

    caches: tuple[Path, ...]
    protocol: str = "ravdess6"
    heads: tuple[str, ...] = ("attentive",)
    select: Select = "val"
    seeds: int = 1
    device: str = "cpu"
    layers: str | None = None
    std: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)
    labels: Path | None = None
    allow_leak: bool = False
    allow_missing: bool = False


@dataclass(frozen=True)
class FittedModel:
    """One trained head and where it comes from.

    Attributes
    ----------
    stream, features, head : str
    seed, fold : int
    model : Model
    """

    stream: str
    features: str
    head: str
    seed: int
    fold: int
    model: Model


@dataclass(frozen=True)
class Fitted:
    """Everything a plan gave.

    Attributes
    ----------
    predictions : Predictions
    models : tuple of FittedModel
    about : dict
        Protocol, folds, caches, what was left out, versions; goes into the run's recipe.
    """

    predictions: Predictions
    models: tuple[FittedModel, ...]
    about: dict[str, Any]


def fit_heads(plan: FitPlan) -> Fitted:
    """Train every head on every cache and predict every test clip once per seed.

    Whatever can be refused is refused before the first head is trained.

    Raises
    ------
    LeakError, ProtocolError
        Where the folds do not hold.
    CacheError
        Where clips are missing and ``allow_missing`` is not set, or a head needs what a cache lacks.
    UsageError
        For an unknown protocol, head or layer, a setting that no head has, caches that do not
        belong into one run.
    """
    protocol = get_protocol(plan.protocol)
    select: Select = "nested" if protocol.always_nested else plan.select
    if select != plan.select:
        _log.warning("protocol '%s' has no validation actors of its own: selection is nested", protocol.name)
    _check_heads(plan)
    systems = open_systems(
        plan.caches, protocol, labels=plan.labels, allow_leak=plan.allow_leak, allow_missing=plan.allow_missing
    )
    heads = [[_head(name, plan, system.cache) for name in plan.heads] for system in systems]
    inner = [_inner(system, protocol) if select == "nested" else None for system in systems]
    parts: list[Predictions] = []
    models: list[FittedModel] = []
    for system, own_heads, own_inner in zip(systems, heads, inner, strict=True):
        for head in own_heads:
            trained, part = _fit_system(system, head, plan, protocol, own_inner)
            parts.append(part)
            models += [
                FittedModel(system.stream, system.features, head.name, one.seed, one.fold.number, one.model)
                for one in trained
            ]
    about = {
        "protocol": protocol.name,
        "leaky": protocol.leaky,
        "select": select,
        "seeds": plan.seeds,
        "classes": list(systems[0].clips.classes),
        "caches": [system.about() for system in systems],
        "versions": _versions(),
    }
    return Fitted(concatenate(parts), tuple(models), about)


def _check_heads(plan: FitPlan) -> None:
    if unknown := [name for name in plan.heads if name not in HEADS]:
        raise UsageError(f"no head '{unknown[0]}'; choose from {', '.join(HEADS)}")
    if not plan.heads or len(set(plan.heads)) < len(plan.heads):
        raise UsageError(f"expected every head once, got {', '.join(plan.heads) or 'none'}")
    if idle := sorted(plan.settings.keys() - {name for head in plan.heads for name in _settings_of(head)}):
        raise UsageError(f"none of the heads {', '.join(plan.heads)} has the setting '{idle[0]}'")


def _settings_of(head: str) -> set[str]:
    kind: Any = HEADS[head]
    return {one.name for one in fields(kind)}


def _head(name: str, plan: FitPlan, cache: Cache) -> Head:
    own = {key: value for key, value in plan.settings.items() if key in _settings_of(name)}
    layers = parse_layers(plan.layers, cache.layers)
    head = get_head(name, layers=layers, std=plan.std, device=plan.device, **own)
    check_reading(cache, head.reading)
    return head


def _inner(system: System, protocol: Protocol) -> InnerFolds:
    return {fold.number: inner_folds(protocol, fold, system.clips.records) for fold in system.folds}


def _versions() -> dict[str, str]:
    libraries = {name: version(name) for name in ("numpy", "scipy", "torch")}
    return {"ravfeat": __version__, "python": platform.python_version()} | libraries


def _fit_system(
    system: System, head: Head, plan: FitPlan, protocol: Protocol, inner: InnerFolds | None
) -> tuple[list[Trained], Predictions]:
    clip_ids = [record.clip_id for record in system.clips.records]
    layers = parse_layers(plan.layers, system.cache.layers)
    features = load_features(system.cache, clip_ids, head.reading, layers=layers)
    y, n_classes = system.clips.y, len(system.clips.classes)
    tasks = [(fold, seed) for seed in range(plan.seeds if head.seeded else 1) for fold in system.folds]
    if inner is None:
        trained = by_validation(head, features, y, n_classes, tasks)
    else:
        trained = nested(head, features, y, n_classes, tasks, inner)
    tests = [one.model.logits(features, one.fold.test) for one in trained]
    return trained, _predictions(system, head.name, trained, tests, protocol, nested_selection=inner is not None)


def _predictions(
    system: System,
    head: str,
    trained: Sequence[Trained],
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
        synthetic=bool(system.cache.about["synthetic"]),
    )
