"""Rows of the predictions against the folds: sides kept apart, and every clip where the protocol puts it."""

from collections.abc import Iterator, Mapping

import numpy as np

from ravfeat.audit.context import RunContext
from ravfeat.audit.fine_tuned import check_recorded_folds
from ravfeat.audit.overlap import Overlap, overlaps_of
from ravfeat.audit.verdicts import Line, edited, leak, not_possible, pass_
from ravfeat.experiment.fit import PreparedPlan
from ravfeat.experiment.systems import CacheSystem
from ravfeat.fusion import name_of
from ravfeat.predictions import Predictions, System
from ravfeat.protocols.folds import Fold
from ravfeat.schema import CONTROL_STREAMS, FUSED_STREAMS

__all__ = ["check_against_folds", "check_rows", "planned"]

_ROWS = "predictions keep sides apart"
_FOLDS = "predictions follow the folds"


def check_rows(context: RunContext) -> list[Line]:
    """Look for performances and actors on two sides, in the predictions alone."""
    predictions = context.predictions
    if predictions is None:
        return [leak(_ROWS, "", f"predictions.parquet is refused: {context.refusal}")]
    if predictions.leaky:
        return [leak(_ROWS, "", "the table is marked LEAKY: its actors are on both sides of every fold")]
    overlaps = [(system, *place) for system in predictions.systems() for place in _overlaps(predictions, system)]
    if overlaps:
        system, where, first = overlaps[0]
        evidence = [{"system": list(name), "where": at, **overlap.record()} for name, at, overlap in overlaps[:20]]
        return [leak(_ROWS, str(system), f"{where}: {first} ({len(overlaps)} such overlaps)", overlaps=evidence)]
    n = len(predictions.systems())
    return [
        pass_(
            _ROWS,
            "",
            f"{len(predictions)} rows of {n} system{'s' * (n > 1)}: no actor or performance in val and test of a fold,"
            " or tested in two",
        )
    ]


def _overlaps(predictions: Predictions, system: System) -> Iterator[tuple[str, Overlap]]:
    # Cross-fitted rows stand as val of other folds on purpose; what they may hold is checked where they are made.
    crossfit = predictions.select == "crossfit"
    tested: dict[str, list[tuple[str, Mapping[str, str]]]] = {}
    for fold, splits in _by_fold(predictions, system).items():
        tested[f"test of fold {fold}"] = splits.get("test", [])
        if not (crossfit and system.stream in FUSED_STREAMS):
            yield from ((f"fold {fold}", overlap) for overlap in overlaps_of(splits))
    yield from (("two folds", overlap) for overlap in overlaps_of(tested))


def _by_fold(predictions: Predictions, system: System) -> dict[int, dict[str, list[tuple[str, Mapping[str, str]]]]]:
    columns = ["fold", "split", "clip_id", "performance_id", "actor"]
    # Seeds repeat the same clips: distinct rows are enough, and far fewer.
    table = predictions.select_system(system).table.select(columns).group_by(columns).aggregate([])
    folds: dict[int, dict[str, list[tuple[str, Mapping[str, str]]]]] = {}
    for row in table.to_pylist():
        facts = {"actor": row["actor"], "performance": row["performance_id"]}
        folds.setdefault(row["fold"], {}).setdefault(row["split"], []).append((row["clip_id"], facts))
    return folds


def check_against_folds(context: RunContext) -> list[Line]:
    """Hold every row against the folds made anew: its fold, split, performance, actor and label."""
    if context.predictions is None:
        return [not_possible(_FOLDS, "", context.refusal)]
    if context.prepared is None:
        return check_recorded_folds(context)
    prepared, predictions = context.prepared, context.predictions
    if (predictions.protocol, predictions.select) != (prepared.protocol.name, prepared.select):
        return [
            edited(
                _FOLDS,
                "",
                f"predictions.parquet is of '{predictions.protocol}', select {predictions.select}; the recipe's plan is"
                f" '{prepared.protocol.name}', select {prepared.select}",
            )
        ]
    lines = []
    for system, heads in zip(prepared.systems, prepared.heads, strict=True):
        for head in heads:
            name = System(system.stream, system.features, head.name)
            lines.append(_compare_rows(predictions, name, system, prepared))
    return [*lines, *_unplanned(predictions, prepared)]


def _unplanned(predictions: Predictions, prepared: PreparedPlan) -> Iterator[Line]:
    """Give systems that the plan does not train, and fusions of others than it trains."""
    trained = planned(prepared)
    for name in predictions.systems():
        if name.stream not in FUSED_STREAMS and name not in trained:
            yield leak(
                _FOLDS,
                str(name),
                "the plan does not train it: nobody can tell where its rows come from, or what it was trained on",
            )
    # Controls are trained beside a fusion and never mixed into it.
    members = sorted(system for system in trained if system.stream not in CONTROL_STREAMS)
    for name in predictions.systems():
        if name.stream in FUSED_STREAMS and name != name_of(members, name.stream):
            yield leak(
                _FOLDS, str(name), f"the plan trains {'; '.join(map(str, members))}, and this is no fusion of these"
            )


def planned(prepared: PreparedPlan) -> set[System]:
    """Give every system that a plan trains, but no fusion."""
    return {
        System(system.stream, system.features, head.name)
        for system, heads in zip(prepared.systems, prepared.heads, strict=True)
        for head in heads
    }


def _compare_rows(predictions: Predictions, name: System, system: CacheSystem, prepared: PreparedPlan) -> Line:
    if name not in predictions.systems():
        return edited(_FOLDS, str(name), "the plan trains it, and predictions.parquet has no row of it")
    expected = {key: facts for fold in system.folds for key, facts in _expected(fold, system, prepared)}
    columns = ["fold", "split", "clip_id", "performance_id", "actor", "label"]
    table = predictions.select_system(name).table.select(columns).group_by(columns).aggregate([])
    stored = {
        (row["fold"], row["split"], row["clip_id"]): (row["performance_id"], row["actor"], row["label"])
        for row in table.to_pylist()
    }
    if misplaced := sorted(expected.keys() ^ stored.keys()):
        fold, split, clip_id = misplaced[0]
        why = "belongs there and is missing" if misplaced[0] in expected else "does not belong there"
        return leak(
            _FOLDS,
            str(name),
            f"clip {clip_id} in {split} of fold {fold} {why} ({len(misplaced)} such rows)",
            rows=[list(key) for key in misplaced[:20]],
        )
    if differing := sorted(key for key in expected if expected[key] != stored[key]):
        key = differing[0]
        return leak(
            _FOLDS,
            str(name),
            f"clip {key[2]} is {', '.join(stored[key])} in predictions.parquet and {', '.join(expected[key])} in the"
            f" shards ({len(differing)} such rows)",
            rows=[list(each) for each in differing[:20]],
        )
    return pass_(_FOLDS, str(name), f"{len(stored)} clips stand where '{prepared.protocol.name}' puts them")


def _expected(
    fold: Fold, system: CacheSystem, prepared: PreparedPlan
) -> Iterator[tuple[tuple[int, str, str], tuple[str, str, str]]]:
    val = np.concatenate([fold.train, fold.val]) if prepared.select == "nested" else fold.val
    for split, rows in (("val", val), ("test", fold.test)):
        for row in rows.tolist():
            record = system.clips.records[row]
            yield (fold.number, split, record.clip_id), (record.performance_id, record.actor, record.label)
