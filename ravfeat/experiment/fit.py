"""Fit heads: plan → caches and folds → trained heads → predictions → fusion, with nothing chosen on a test row.

Read from top to bottom: `fit_heads` prepares a plan, trains what was prepared, and fuses the predictions.
"""

import logging
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat import __version__
from ravfeat.corpora.clip_names import ClipNames
from ravfeat.corpora.groups import group_columns
from ravfeat.corpora.labels import read_labels, replaced_labels
from ravfeat.experiment.build import build_heads, check_parts, check_plan
from ravfeat.experiment.load import Load, load_system, load_training
from ravfeat.experiment.narrow import narrowed_record
from ravfeat.experiment.plan import FitPlan
from ravfeat.experiment.plan_file import plan_record
from ravfeat.experiment.selection import InnerFolds, TrainedHead, by_validation, inner_folds_of, nested
from ravfeat.experiment.systems import CacheSystem, OpenSystems, open_systems
from ravfeat.features.clips import ClipFeatures
from ravfeat.fusion import fuse, members_of
from ravfeat.heads.base import Head
from ravfeat.heads.parallel import one_thread_each
from ravfeat.predictions import Predictions, concatenate
from ravfeat.protocols.given_folds import split_record
from ravfeat.protocols.named import Protocol, get_protocol
from ravfeat.protocols.unchecked import mark_unchecked
from ravfeat.runs.groups_file import Columns, joined_columns
from ravfeat.runs.result import Fitted, FittedModel
from ravfeat.schema import Rule, Select
from ravfeat.short_repr import short_repr

__all__ = ["FitPlan", "Fitted", "PreparedPlan", "fit_heads", "fused", "gather", "prepare", "tested_groups", "train"]

_log = logging.getLogger(__name__)


@short_repr
@dataclass(frozen=True)
class PreparedPlan:
    """A plan whose caches are open and whose folds and heads are checked; nothing is trained yet.

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
    """Train every head on every system, predict every test clip once per seed, and fuse.

    Whatever can be refused is refused before the first head is trained; see `prepare`.
    """
    return fused(train(prepare(plan)), plan.rule)


def prepare(plan: FitPlan, opened: OpenSystems = open_systems) -> PreparedPlan:
    """Open what a plan names and check that it can be done.

    Parameters
    ----------
    plan : FitPlan
    opened : callable
        Gives the systems of a plan; one that remembers them where many plans read the same caches.

    Raises
    ------
    LeakError, ProtocolError
        Where the folds do not hold.
    CacheError
        Where clips are missing and ``allow_missing`` is not set, or a head needs what a cache lacks.
    UsageError
        For an unknown protocol, head or layer, a setting that no head has, caches that do not
        belong into one run or cannot be concatenated.
    """
    protocol = get_protocol(plan.protocol)
    select: Select = "nested" if protocol.always_nested else plan.select
    if select != plan.select:
        _log.warning("protocol '%s' has no validation actors of its own: selection is nested", protocol.name)
    check_plan(plan)
    built = [(system, build_heads(plan, system)) for system in opened(plan, protocol)]
    # A cache that only the joint head reads is no system of its own.
    systems, heads = zip(*((system, heads) for system, heads in built if heads), strict=True)
    protocol = replace(protocol, leaky=any(system.leaky for system in systems))
    protocol = mark_unchecked(protocol, (clip for system in systems for clip in system.clips.records))
    check_parts(plan, (head for of_system in heads for head in of_system))
    inner = tuple(inner_folds_of(system, protocol, system.folds) if select == "nested" else None for system in systems)
    return PreparedPlan(plan, protocol, select, systems, heads, inner)


def train(prepared: PreparedPlan, load: Load = load_system, *, test: bool = True) -> Fitted:
    """Train what was prepared.

    Parameters
    ----------
    prepared : PreparedPlan
    load : callable
        Reads a system's features; `FeatureLoader` where several plans are trained on them.
    test : bool
        Whether test clips are scored; False gives predictions of validation rows alone.
    """
    parts: list[Predictions] = []
    models: list[FittedModel] = []
    for system, heads, inner in zip(prepared.systems, prepared.heads, prepared.inner, strict=True):
        reading, features = None, None
        for head in heads:
            if features is None or head.reading != reading:  # heads that read alike share what was read
                features = None  # or both would be in memory
                reading, features = head.reading, load_training(prepared.plan, system, head.reading, load)
            trained = _train_head(system, head, features, prepared.plan.seeds, inner)
            tested = _test_logits(system, trained, features) if test else []
            parts.append(_predictions(prepared, system, head, trained, tested))
            models += [
                FittedModel(system.stream, system.features, head.name, final.seed, final.fold.number, final.model)
                for final in trained
            ]
    groups = tested_groups(prepared.systems) if test else {}
    return Fitted(concatenate(parts), tuple(models), _about(prepared), groups=groups)


def tested_groups(systems: Iterable[CacheSystem]) -> Columns:
    """Give the columns that put the test clips of some systems into groups, as their shards have them."""
    return group_columns(
        system.clips.records[row] for system in systems for fold in system.folds for row in fold.test.tolist()
    )


def _train_head(
    system: CacheSystem, head: Head, features: ClipFeatures, seeds: int, inner: InnerFolds | None
) -> list[TrainedHead]:
    """Train one head for every fold and seed."""
    y, n_classes = system.clips.y, len(system.clips.classes)
    # A head without chance in it gives the same model for every seed.
    tasks = [(fold, seed) for seed in range(seeds if head.seeded else 1) for fold in system.folds]
    if inner is None:
        return by_validation(head, features, y, n_classes, tasks, system.rows)
    return nested(head, features, y, n_classes, tasks, inner, system.rows)


def _test_logits(
    system: CacheSystem, trained: Sequence[TrainedHead], features: ClipFeatures
) -> list[NDArray[np.float32]]:
    rows = system.rows
    with one_thread_each():  # whoever scores these clips again gets the same bits, however many processors there are
        return [rows.logits(head.model, features, head.fold.test) for head in trained]


def _predictions(
    prepared: PreparedPlan,
    system: CacheSystem,
    head: Head,
    trained: Sequence[TrainedHead],
    test_logits: Sequence[NDArray[np.float32]],
) -> Predictions:
    """Put the validation and test rows of one head into a table; without test logits the validation rows alone."""
    blocks = [
        (final, split, rows, logits)
        for final, tested in zip_longest(trained, test_logits)
        for split, rows, logits in (
            ("val", final.val_rows, final.val_logits),
            ("test", final.fold.test, tested),
        )
        if logits is not None
    ]
    records = [system.clips.records[int(row)] for _, _, rows, _ in blocks for row in rows]
    columns: dict[str, Any] = {
        "stream": system.stream,
        "features": system.features,
        "head": head.name,
        "fold": np.concatenate([np.full(len(rows), final.fold.number) for final, _, rows, _ in blocks]),
        "seed": np.concatenate([np.full(len(rows), final.seed) for final, _, rows, _ in blocks]),
        "split": [split for _, split, rows, _ in blocks for _ in rows],
        "clip_id": [record.clip_id for record in records],
        "performance_id": [record.performance_id for record in records],
        "actor": [record.actor for record in records],
        "label": [record.label for record in records],
        "logits": np.concatenate([logits for _, _, _, logits in blocks]),
    }
    return Predictions.from_columns(
        columns,
        classes=system.clips.classes,
        protocol=prepared.protocol.name,
        leaky=prepared.protocol.leaky,
        select=prepared.select,
        synthetic=system.synthetic,
    )


def _about(prepared: PreparedPlan) -> dict[str, Any]:
    """Say what was done to whom, for the recipe."""
    first, labels = prepared.systems[0], prepared.plan.labels
    about = {
        "protocol": prepared.protocol.name,
        "leaky": prepared.protocol.leaky,
        "select": prepared.select,
        "seeds": prepared.plan.seeds,
        "classes": list(first.clips.classes),
        "caches": [system.about() for system in prepared.systems],
        "plan": plan_record(prepared.plan),
        "versions": _versions(),
    }
    if prepared.protocol.given:
        about["split"] = split_record(prepared.protocol, first.folds, first.clips.records)
    if narrowed := narrowed_record(prepared.plan, first.narrowed, first.clips.records):
        about["narrowed"] = narrowed
    if labels is not None:
        clips = first.clips
        if prepared.plan.label_map is not None:  # the table's labels, not the classes that they stand for
            names = ClipNames(first.caches[0].planned_manifest.ids)
            said = clips.relabelled(read_labels(labels, prepared.plan.as_written, names), labels)
            clips = replace(said, left_out=clips.left_out)
        about["replaced_labels"] = replaced_labels(labels, clips, first.caches[0].records(first.clip_ids[0]))
    return about


def _versions() -> dict[str, str]:
    libraries = {name: version(name) for name in ("numpy", "scipy", "torch")}
    return {"ravfeat": __version__, "python": platform.python_version()} | libraries


def fused(fitted: Fitted, rule: Rule | None) -> Fitted:
    """Add what fusing the systems gives; nothing for a single one, or without a rule."""
    # Controls and earlier fusions are no members, so a table of two systems may have one.
    if rule is None or len(members_of(fitted.predictions)) < 2:
        return fitted
    predictions, fusion = fuse(fitted.predictions, rule)
    return replace(fitted, predictions=predictions, fusion=fusion)


def gather(parts: Sequence[Fitted]) -> Fitted:
    """Put together what the systems of one plan gave, in their order; see `PreparedPlan.by_system`."""
    caches = [about for part in parts for about in part.about["caches"]]
    models = tuple(model for part in parts for model in part.models)
    about = parts[0].about | {"caches": caches}
    groups = joined_columns(part.groups for part in parts)
    return Fitted(concatenate([part.predictions for part in parts]), models, about, groups=groups)
