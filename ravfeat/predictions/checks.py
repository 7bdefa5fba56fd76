"""Validate a prediction table: values, duplicates, contradictions, actors on two sides of a fold."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ravfeat.errors import PredictionsError
from ravfeat.escape import is_printable
from ravfeat.predictions.columns import SYSTEM_COLUMNS, System, logit_array
from ravfeat.schema import FUSED_STREAMS, SEVERAL_STREAMS

__all__ = ["check_table"]

_STREAMS = ("audio", "face", "other", *SEVERAL_STREAMS, *FUSED_STREAMS)
_SPLITS = ("val", "test")


def check_table(table: pa.Table, classes: tuple[str, ...], protocol: str, *, leaky: bool) -> None:
    """Refuse values that cannot be, clips twice, clips in two minds, and actors on two sides.

    Raises
    ------
    PredictionsError
        Naming the first clip or actor and how many rows are like it.
    """
    _check_values(table, classes)
    _check_once(table)
    _check_clips_agree(table)
    if not leaky:
        _check_sides(table, protocol)
        _check_tested_once(table, protocol)


def _check_values(table: pa.Table, classes: tuple[str, ...]) -> None:
    for name, allowed in (("stream", _STREAMS), ("split", _SPLITS), ("label", classes)):
        bad = table.filter(pc.invert(pc.is_in(table[name], value_set=pa.array(allowed))))
        if bad.num_rows:
            raise PredictionsError(
                f"clip {bad['clip_id'][0]} has {name} '{bad[name][0]}', expected one of {', '.join(allowed)} "
                f"({bad.num_rows} such rows)"
            )
    for name in (*SYSTEM_COLUMNS, "clip_id", "performance_id", "actor"):
        if odd := [text for text in pc.unique(table[name]).to_pylist() if not is_printable(text)]:
            raise PredictionsError(f"column '{name}' holds {odd[0]!r}, expected a name without control characters")
    if odd := [text for text in classes if not is_printable(text)]:
        raise PredictionsError(f"a class is called {odd[0]!r}, expected a name without control characters")
    early = table.filter(pc.field("fold") < 0)
    if early.num_rows:
        raise PredictionsError(
            f"clip {early['clip_id'][0]} is in fold {early['fold'][0]}, expected 0 or more ({early.num_rows} such rows)"
        )
    bad_rows = np.flatnonzero(~np.isfinite(logit_array(table, len(classes))).all(1))
    if len(bad_rows):
        first = table.slice(int(bad_rows[0]), 1).to_pylist()[0]
        raise PredictionsError(
            f"clip {first['clip_id']} has NaN or Inf logits in {first['head']}, "
            f"seed {first['seed']}, fold {first['fold']} ({len(bad_rows)} such rows); the head did not train"
        )


def _check_once(table: pa.Table) -> None:
    """No clip tested twice per system and seed; none twice in a fold, whatever the splits."""
    cases = (
        (table.filter(pc.field("split") == "test"), [*SYSTEM_COLUMNS, "seed", "clip_id"], "is tested {n} times by"),
        (table, [*SYSTEM_COLUMNS, "seed", "fold", "clip_id"], "stands {n} times in one fold of"),
    )
    for rows, key, saying in cases:
        counts = rows.select(key).group_by(key).aggregate([([], "count_all")])
        twice = counts.filter(pc.field("count_all") > 1)
        if twice.num_rows:
            first = twice.sort_by("clip_id").slice(0, 1).to_pylist()[0]
            system = System(first["stream"], first["features"], first["head"])
            raise PredictionsError(
                f"clip {first['clip_id']} {saying.format(n=first['count_all'])} {system}, seed {first['seed']} "
                f"({twice.num_rows} such clips)"
            )


def _check_clips_agree(table: pa.Table) -> None:
    facts = ["performance_id", "actor", "label"]
    # Grouping without an aggregate leaves each combination once.
    distinct = table.select(["clip_id", *facts]).group_by(["clip_id", *facts]).aggregate([])
    counts = distinct.group_by("clip_id").aggregate([([], "count_all")])
    torn = counts.filter(pc.field("count_all") > 1)
    if torn.num_rows:
        clip = min(torn["clip_id"].to_pylist())
        facts_of_clip = distinct.filter(pc.field("clip_id") == clip).select(facts).to_pylist()
        readings = "; ".join(sorted(", ".join(row.values()) for row in facts_of_clip))
        raise PredictionsError(f"clip {clip} has several performances, actors or labels: {readings}")


def _check_tested_once(table: pa.Table, protocol: str) -> None:
    """No actor tested in two folds: each would be a model that may have learned from the actor's other clips."""
    key = [*SYSTEM_COLUMNS, "seed", "actor"]
    tested = table.filter(pc.field("split") == "test").select([*key, "fold"]).group_by([*key, "fold"]).aggregate([])
    several = tested.group_by(key).aggregate([([], "count_all")]).filter(pc.field("count_all") > 1)
    if several.num_rows:
        first = several.sort_by("actor").slice(0, 1).to_pylist()[0]
        raise PredictionsError(
            f"actor {first['actor']} is tested in {first['count_all']} folds, but protocol '{protocol}' is not marked"
            " leaky"
        )


def _check_sides(table: pa.Table, protocol: str) -> None:
    key = [*SYSTEM_COLUMNS, "seed", "fold", "actor"]
    sides = table.select([*key, "split"]).group_by([*key, "split"]).aggregate([])
    # After one row per split, an actor with two rows is on both sides.
    both = sides.group_by(key).aggregate([([], "count_all")]).filter(pc.field("count_all") > 1)
    if both.num_rows:
        first = both.sort_by([("fold", "ascending"), ("actor", "ascending")]).slice(0, 1).to_pylist()[0]
        raise PredictionsError(
            f"actor {first['actor']} is in val and in test of fold {first['fold']}, but protocol '{protocol}' "
            "is not marked leaky"
        )
