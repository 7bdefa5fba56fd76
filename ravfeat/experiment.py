"""The composition: caches × protocol × heads → predictions, with nothing chosen on a test row.

Offers
------
FitPlan, Fitted, FittedModel, fit_heads.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.cache import Cache, open_cache
from ravfeat.errors import CacheError, UsageError
from ravfeat.folds import Fold, fold_counts, inner_folds, make_folds
from ravfeat.heads.base import ClipFeatures, Head, Job, Model
from ravfeat.heads.registry import get_head
from ravfeat.labelling import LabelledClips, read_labels
from ravfeat.layers import parse_layers
from ravfeat.predictions import Predictions, concatenate
from ravfeat.protocols import Protocol, get_protocol
from ravfeat.schema import Select
from ravfeat.view import load_features

__all__ = ["FitPlan", "Fitted", "FittedModel", "fit_heads"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FitPlan:
    """What is to be trained and how it is graded.

    Attributes
    ----------
    caches : tuple of Path
        Every cache is a system of its own with every head.
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
        Further settings for every head.
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
        Protocol, folds, caches and what was left out; goes into the run's recipe.
    """

    predictions: Predictions
    models: tuple[FittedModel, ...]
    about: dict[str, Any]


@dataclass(frozen=True)
class _System:
    """One cache under one protocol."""

    cache: Cache
    name: str
    clips: LabelledClips
    folds: list[Fold]


def fit_heads(plan: FitPlan) -> Fitted:
    """Train every head on every cache and predict every test clip once per seed.

    Raises
    ------
    LeakError, ProtocolError
        Before anything is trained, where the folds do not hold.
    CacheError
        Where clips are missing and ``allow_missing`` is not set.
    """
    protocol = get_protocol(plan.protocol)
    select: Select = "nested" if protocol.always_nested else plan.select
    if select != plan.select:
        _log.warning("protocol '%s' has no validation actors of its own: selection is nested", protocol.name)
    systems = [_open_system(path, plan, protocol) for path in plan.caches]
    systems = _distinct_names(systems)
    _same_classes(systems)
    parts: list[Predictions] = []
    models: list[FittedModel] = []
    for system in systems:
        for name in plan.heads:
            part, fitted = _fit_system(system, name, plan, protocol, select)
            parts.append(part)
            models += fitted
    about = {
        "protocol": protocol.name,
        "leaky": protocol.leaky,
        "select": select,
        "seeds": plan.seeds,
        "classes": list(systems[0].clips.classes),
        "caches": [_about_system(system) for system in systems],
    }
    return Fitted(concatenate(parts), tuple(models), about)


def _open_system(path: Path, plan: FitPlan, protocol: Protocol) -> _System:
    cache = open_cache(path)
    if cache.missing and not plan.allow_missing:
        reasons = [f"{clip_id} ({cache.failed.get(clip_id, 'not extracted yet')})" for clip_id in cache.missing[:3]]
        raise CacheError(
            f"{cache.path} lacks {len(cache.missing)} of {len(cache.missing) + len(cache)} clips: {'; '.join(reasons)}"
            f"{' …' if len(cache.missing) > 3 else ''}. Run 'ravfeat extract' again, or go on without them:"
            " --allow-missing"
        )
    # Who acted what comes from the shards, whatever the manifest or a label file says.
    records = cache.records()
    clips = LabelledClips.of([records[clip_id] for clip_id in sorted(records)], cache.classes)
    if plan.labels is not None:
        clips = clips.relabelled(read_labels(plan.labels), plan.labels)
    folds = make_folds(protocol, clips.records, allow_leak=plan.allow_leak)
    return _System(cache, str(cache.about["encoder"]), clips, folds)


def _distinct_names(systems: Sequence[_System]) -> list[_System]:
    names = [(system.cache.about["stream"], system.name) for system in systems]
    paths = [system.cache.path.resolve() for system in systems]
    if twice := [path for path in paths if paths.count(path) > 1]:
        raise UsageError(f"{twice[0]} is given twice; name every cache once")
    return [
        system
        if names.count(name) == 1
        else _System(system.cache, f"{system.name}-{system.cache.fingerprint}", system.clips, system.folds)
        for system, name in zip(systems, names, strict=True)
    ]


def _same_classes(systems: Sequence[_System]) -> None:
    for system in systems:
        if system.clips.classes != systems[0].clips.classes:
            raise UsageError(
                f"the caches have different classes: {systems[0].cache.path} has {list(systems[0].clips.classes)},"
                f" {system.cache.path} has {list(system.clips.classes)}; train them in runs of their own"
            )


def _about_system(system: _System) -> dict[str, Any]:
    return {
        "path": str(system.cache.path),
        "stream": system.cache.about["stream"],
        "features": system.name,
        "corpus": system.cache.about["corpus"],
        "synthetic": system.cache.about["synthetic"],
        "fingerprint": system.cache.fingerprint,
        "identity": system.cache.identity,
        "clips": len(system.clips.records),
        "missing": list(system.cache.missing),
        "left_out": system.clips.left_out,
        "folds": fold_counts(system.folds, system.clips.records),
    }


def _fit_system(
    system: _System, name: str, plan: FitPlan, protocol: Protocol, select: Select
) -> tuple[Predictions, list[FittedModel]]:
    layers = parse_layers(plan.layers, system.cache.layers)
    head = get_head(name, layers=layers, std=plan.std, device=plan.device, **plan.settings)
    records = system.clips.records
    features = load_features(system.cache, [r.clip_id for r in records], head.reading, layers=layers)
    tasks = [
        (fold, seed) for seed in range(plan.seeds if head.seeded else 1) for fold in system.folds
    ]
    if select == "nested":
        trained, val_rows = _nested(head, features, system.clips, protocol, tasks)
    else:
        trained, val_rows = _by_validation(head, features, system.clips, tasks)
    blocks = [
        block
        for (fold, seed), model, (rows, logits) in zip(tasks, trained, val_rows, strict=True)
        for block in (
            (fold.number, seed, "val", rows, logits),
            (fold.number, seed, "test", fold.test, model.logits(features, fold.test)),
        )
    ]
    stream = str(system.cache.about["stream"])
    part = _predictions(system, head.name, blocks, protocol, select)
    models = [
        FittedModel(stream, system.name, head.name, seed, fold.number, model)
        for (fold, seed), model in zip(tasks, trained, strict=True)
    ]
    return part, models


Scored = tuple[NDArray[np.int64], NDArray[np.float32]]


def _by_validation(
    head: Head, features: ClipFeatures, clips: LabelledClips, tasks: Sequence[tuple[Fold, int]]
) -> tuple[list[Model], list[Scored]]:
    y, n_classes = clips.y, len(clips.classes)
    jobs = [Job(fold.train, fold.val, seed) for fold, seed in tasks]
    sweeps = head.sweep(features, y, n_classes, jobs)
    picks = [head.choose([sweep], [y[job.val]]) for sweep, job in zip(sweeps, jobs, strict=True)]
    chosen = [sweep.candidates[pick] for sweep, pick in zip(sweeps, picks, strict=True)]
    models = head.fit(features, y, n_classes, jobs, chosen)
    return models, [(job.val, model.logits(features, job.val)) for job, model in zip(jobs, models, strict=True)]


def _nested(
    head: Head,
    features: ClipFeatures,
    clips: LabelledClips,
    protocol: Protocol,
    tasks: Sequence[tuple[Fold, int]],
) -> tuple[list[Model], list[Scored]]:
    y, n_classes = clips.y, len(clips.classes)
    inner = {fold.number: inner_folds(protocol, fold, clips.records) for fold, _ in tasks}
    jobs = [[Job(train, val, seed) for train, val in inner[fold.number]] for fold, seed in tasks]
    sweeps = iter(head.sweep(features, y, n_classes, [job for own in jobs for job in own]))
    chosen, val_rows, finals = [], [], []
    for (fold, seed), own in zip(tasks, jobs, strict=True):
        mine = [next(sweeps) for _ in own]
        pick = head.choose(mine, [y[job.val] for job in own])
        chosen.append(mine[0].candidates[pick])
        # Every non-test clip was left out once: its row is what a head says that never saw its actor.
        rows = np.concatenate([job.val for job in own])
        logits = np.concatenate([sweep.logits[pick] for sweep in mine])
        order = np.argsort(rows)
        val_rows.append((rows[order], logits[order]))
        finals.append(Job(np.sort(rows), np.zeros(0, dtype=np.int64), seed))
    return head.fit(features, y, n_classes, finals, chosen), val_rows


def _predictions(
    system: _System,
    head: str,
    blocks: Sequence[tuple[int, int, str, NDArray[np.int64], NDArray[np.float32]]],
    protocol: Protocol,
    select: Select,
) -> Predictions:
    records = system.clips.records
    rows = np.concatenate([block[3] for block in blocks])
    columns = {
        "stream": str(system.cache.about["stream"]),
        "features": system.name,
        "head": head,
        "fold": np.concatenate([np.full(len(block[3]), block[0]) for block in blocks]),
        "seed": np.concatenate([np.full(len(block[3]), block[1]) for block in blocks]),
        "split": [block[2] for block in blocks for _ in block[3]],
        "clip_id": [records[row].clip_id for row in rows],
        "performance_id": [records[row].performance_id for row in rows],
        "actor": [records[row].actor for row in rows],
        "label": [records[row].label for row in rows],
        "logits": np.concatenate([block[4] for block in blocks]),
    }
    return Predictions.from_columns(
        columns,
        classes=system.clips.classes,
        protocol=protocol.name,
        leaky=protocol.leaky,
        select=select,
        synthetic=bool(system.cache.about["synthetic"]),
    )
