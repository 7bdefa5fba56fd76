"""Whether the rows of the predictions are those that the folds allow."""

from collections.abc import Iterator, Mapping

import numpy as np

from ravfeat.audit.context import Opened
from ravfeat.audit.fine_tuned import check_recorded_folds
from ravfeat.audit.overlap import Overlap, overlaps_of
from ravfeat.audit.verdicts import Line, edited, leak, not_possible, pass_
from ravfeat.experiment.fit import PreparedPlan
from ravfeat.experiment.systems import CacheSystem
from ravfeat.fusion import name_of
from ravfeat.predictions import Predictions
from ravfeat.predictions import System as Scored
from ravfeat.protocols.folds import Fold
from ravfeat.schema import CONTROL_STREAMS, FUSED_STREAMS

__all__ = ["check_against_folds", "check_rows", "planned"]

_ROWS = "predictions keep sides apart"
_FOLDS = "predictions follow the folds"


def check_rows(opened: Opened) -> list[Line]:
    """Look for performances and actors on two sides in the predictions alone."""
    predictions = opened.predictions
    if predictions is None:
        return [leak(_ROWS, "", f"predictions.parquet is refused: {opened.refused}")]
    if predictions.leaky:
        return [leak(_ROWS, "", "the table is marked LEAKY: its actors are on both sides of every fold")]
    found = [(system, where, one) for system in predictions.systems() for where, one in _shared(predictions, system)]
    if found:
        system, where, first = found[0]
        evidence = [{"system": list(one), "where": at, **overlap.record()} for one, at, overlap in found[:20]]
        return [leak(_ROWS, str(system), f"{where}: {first} ({len(found)} such overlaps)", overlaps=evidence)]
    n = len(predictions.systems())
    return [
        pass_(
            _ROWS,
            "",
            f"{len(predictions)} rows of {n} system{'s' * (n > 1)}: no actor or performance in val and test of a fold,"
            " or tested in two",
        )
    ]


def _shared(predictions: Predictions, system: Scored) -> Iterator[tuple[str, Overlap]]:
    # Cross-fitted rows stand as val of other folds on purpose; what they may hold is checked where they are made.
    crossfit = predictions.select == "crossfit"
    tested: dict[str, list[tuple[str, Mapping[str, str]]]] = {}
    for fold, splits in _by_fold(predictions, system).items():
        tested[f"test of fold {fold}"] = splits.get("test", [])
        if not (crossfit and system.stream in FUSED_STREAMS):
            yield from ((f"fold {fold}", one) for one in overlaps_of(splits))
    yield from (("two folds", one) for one in overlaps_of(tested))


def _by_fold(predictions: Predictions, system: Scored) -> dict[int, dict[str, list[tuple[str, Mapping[str, str]]]]]:
    columns = ["fold", "split", "clip_id", "performance_id", "actor"]
    table = predictions.select_system(system).table.select(columns).group_by(columns).aggregate([])
    folds: dict[int, dict[str, list[tuple[str, Mapping[str, str]]]]] = {}
    for row in table.to_pylist():
        facts = {"actor": row["actor"], "performance": row["performance_id"]}
        folds.setdefault(row["fold"], {}).setdefault(row["split"], []).append((row["clip_id"], facts))
    return folds


def check_against_folds(opened: Opened) -> list[Line]:
    """Hold every row against the folds made anew: its fold, split, performance, actor and label."""
    if opened.predictions is None:
        return [not_possible(_FOLDS, "", opened.refused)]
    if opened.prepared is None:
        return check_recorded_folds(opened)
    prepared, predictions = opened.prepared, opened.predictions
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
            scored = Scored(system.stream, system.features, head.name)
            lines.append(_against(predictions, scored, system, prepared))
    return [*lines, *_strangers(predictions, prepared)]


def _strangers(predictions: Predictions, prepared: PreparedPlan) -> Iterator[Line]:
    """Give systems that the plan does not train, and fusions of others than it trains."""
    trained = planned(prepared)
    for scored in predictions.systems():
        if scored.stream not in FUSED_STREAMS and scored not in trained:
            yield leak(
                _FOLDS,
                str(scored),
                "the plan does not train it: nobody can tell where its rows come from, or what taught it",
            )
    members = sorted(one for one in trained if one.stream not in CONTROL_STREAMS)
    for scored in predictions.systems():
        if scored.stream in FUSED_STREAMS and scored != name_of(members, scored.stream):
            yield leak(
                _FOLDS, str(scored), f"the plan trains {'; '.join(map(str, members))}, and this is no fusion of these"
            )


def planned(prepared: PreparedPlan) -> set[Scored]:
    """Give every system that a plan trains, but no fusion."""
    return {
        Scored(system.stream, system.features, head.name)
        for system, heads in zip(prepared.systems, prepared.heads, strict=True)
        for head in heads
    }


def _against(predictions: Predictions, scored: Scored, system: CacheSystem, prepared: PreparedPlan) -> Line:
    if scored not in predictions.systems():
        return edited(_FOLDS, str(scored), "the plan trains it, and predictions.parquet has no row of it")
    wanted = {key: fact for fold in system.folds for key, fact in _wanted(fold, system, prepared)}
    columns = ["fold", "split", "clip_id", "performance_id", "actor", "label"]
    table = predictions.select_system(scored).table.select(columns).group_by(columns).aggregate([])
    found = {
        (row["fold"], row["split"], row["clip_id"]): (row["performance_id"], row["actor"], row["label"])
        for row in table.to_pylist()
    }
    if odd := sorted(key for key in wanted.keys() ^ found.keys() if key not in wanted or key not in found):
        fold, split, clip_id = odd[0]
        why = "belongs there and is missing" if odd[0] in wanted else "does not belong there"
        return leak(
            _FOLDS,
            str(scored),
            f"clip {clip_id} in {split} of fold {fold} {why} ({len(odd)} such rows)",
            rows=[list(key) for key in odd[:20]],
        )
    if torn := sorted(key for key in wanted if wanted[key] != found[key]):
        key = torn[0]
        return leak(
            _FOLDS,
            str(scored),
            f"clip {key[2]} is {', '.join(found[key])} in predictions.parquet and {', '.join(wanted[key])} in the"
            f" shards ({len(torn)} such rows)",
            rows=[list(one) for one in torn[:20]],
        )
    return pass_(_FOLDS, str(scored), f"{len(found)} clips stand where '{prepared.protocol.name}' puts them")


def _wanted(
    fold: Fold, system: CacheSystem, prepared: PreparedPlan
) -> Iterator[tuple[tuple[int, str, str], tuple[str, str, str]]]:
    val = np.concatenate([fold.train, fold.val]) if prepared.select == "nested" else fold.val
    for split, rows in (("val", val), ("test", fold.test)):
        for row in rows.tolist():
            one = system.clips.records[row]
            yield (fold.number, split, one.clip_id), (one.performance_id, one.actor, one.label)
