"""Leak check of the folds: actors, performances and recordings on one side only, by the shards' own records.

The folds are made again from the protocol, counted over without the code that made them, and held against the counts
in the recipe and against every row of the predictions.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.audit.context import RunContext
from ravfeat.audit.overlap import Overlap, overlaps_of
from ravfeat.audit.verdicts import Line, edited, leak, not_possible, pass_, warn
from ravfeat.cache.format import ClipRecord
from ravfeat.crosscorpus.pairs import CorpusPair
from ravfeat.experiment.fit import PreparedPlan
from ravfeat.experiment.selection import InnerFolds
from ravfeat.experiment.systems import CacheSystem
from ravfeat.manifest import is_unknown
from ravfeat.protocols.folds import fold_counts
from ravfeat.runs.format import PREDICTIONS_FILE, RECIPE_FILE
from ravfeat.schema import is_unchecked

__all__ = ["check_folds", "check_protocol"]

_FOLDS = "folds from the shards"
_RECIPE = "folds as recorded"
_PROTOCOL = "protocol keeps actors apart"


def check_protocol(context: RunContext) -> list[Line]:
    """Tell whether the run is a control that leaks on purpose, by any of the files that record it."""
    marks = {
        RECIPE_FILE: context.recipe.leaky,
        PREDICTIONS_FILE: context.predictions is not None and context.predictions.leaky,
        "its protocol": context.prepared is not None and context.prepared.protocol.leaky,
    }
    name = context.recipe.protocol or "unknown"
    if any(marks.values()):
        files = " and ".join(file for file, leaky in marks.items() if leaky)
        return [
            leak(
                _PROTOCOL,
                "",
                f"'{name}' is LEAKY (so say {files}): it tests actors that were trained on; the run is a control, its"
                " numbers are no result",
                protocol=name,
            )
        ]
    if is_unchecked(name):
        finding = f"'{name}': of some clips nobody says who speaks, so whether it keeps actors apart cannot be checked"
        return [warn(_PROTOCOL, "", finding, protocol=name)]
    return [pass_(_PROTOCOL, "", f"'{name}' is not LEAKY by any file", protocol=name)]


def check_folds(context: RunContext) -> list[Line]:
    """Look for overlaps in the folds of every system, and hold their counts against the recipe's."""
    if context.fold_leak:
        return [leak(_FOLDS, "", context.fold_leak)]
    prepared = context.prepared
    if prepared is None:
        return [not_possible(_FOLDS, "", context.reason)]
    lines = []
    for system, inner in zip(prepared.systems, prepared.inner, strict=True):
        lines.append(_check_overlaps(system, inner, prepared))
        if line := _check_counts(context, system):
            lines.append(line)
    return lines


def system_name(system: CacheSystem) -> str:
    """Name a system of a plan."""
    return f"{system.stream} / {system.features}"


def _check_overlaps(system: CacheSystem, inner: InnerFolds | None, prepared: PreparedPlan) -> Line:
    # An overlap with the test side first: it is the one that moves the number.
    overlaps = sorted(_overlaps(system, inner), key=lambda place: "test" not in place[1].sides)
    n_inner = 0 if inner is None else sum(map(len, inner.values()))
    actors = {record.actor for record in system.clips.records}
    counts = f"{len(system.folds)} folds{f' and {n_inner} inner ones' if n_inner else ''}"
    evidence: dict[str, Any] = {
        "folds": len(system.folds),
        "inner_folds": n_inner,
        "clips": len(system.clips.records),
        "actors": len(actors),
        "overlaps": [
            {"where": where, **overlap.record()} for where, overlap in overlaps[:20]
        ],  # a broken split has thousands
    }
    if overlaps:
        where, first = overlaps[0]
        rest = f" ({len(overlaps)} such overlaps)" if len(overlaps) > 1 else ""
        return leak(_FOLDS, system_name(system), f"{where}: {first}{rest}", **evidence)
    unknown = sum(is_unknown(record.actor) for record in system.clips.records)
    return (warn if unknown else pass_)(
        _FOLDS,
        system_name(system),
        f"{counts} of '{prepared.protocol.name}', {len(actors)} actors, {len(system.clips.records)} clips: no actor,"
        " performance or recording on two sides"
        f"{f', as far as is known: of {unknown} clips nobody says who speaks' if unknown else ''}",
        **evidence,
    )


def _overlaps(system: CacheSystem, inner: InnerFolds | None) -> Iterator[tuple[str, Overlap]]:
    for name, records in _records(system):
        for fold in system.folds:
            sides = {"train": fold.train, "val": fold.val, "test": fold.test}
            for overlap in overlaps_of(_with_views(system, records, sides)):
                yield f"fold {fold.number} of {name}", overlap
            for number, (train, val) in enumerate(() if inner is None else inner[fold.number]):
                sides = {"train": train, "inner val": val, "test": fold.test}
                for overlap in overlaps_of(_with_views(system, records, sides)):
                    yield f"inner fold {number} of fold {fold.number} of {name}", overlap


def _records(system: CacheSystem) -> Iterator[tuple[str, list[ClipRecord]]]:
    """Give the name of every cache and its records of the clips; of two corpora, one after the other."""
    by_cache = []
    for cache, clip_ids in zip(system.caches, system.clip_ids, strict=True):
        stored = cache.records()
        by_cache.append((cache.path.name, [stored[clip_id] for clip_id in clip_ids]))
    if isinstance(system, CorpusPair):
        names = " and ".join(name for name, _ in by_cache)
        yield names, [record for _, records in by_cache for record in records]
    else:
        yield from by_cache


def _with_views(
    system: CacheSystem, records: Sequence[ClipRecord], sides: Mapping[str, NDArray[np.int64]]
) -> dict[str, list[tuple[str, Mapping[str, str]]]]:
    """Give the facts of every clip on every side; the views of training clips train, too."""
    facts = {side: list(_facts(records, rows)) for side, rows in sides.items()}
    for view in system.views:
        stored = view.cache.records()
        records_of_view = [stored[clip_id] for clip_id in view.clip_ids]
        facts["train"] += _facts(records_of_view, np.flatnonzero(np.isin(view.rows, sides["train"])))
    return facts


def _facts(records: Sequence[ClipRecord], rows: NDArray[np.int64]) -> Iterator[tuple[str, Mapping[str, str]]]:
    for row in rows.tolist():
        record = records[row]
        facts = {"actor": record.actor, "performance": record.performance_id, "recording": record.input_sha256}
        yield record.clip_id, facts


def _check_counts(context: RunContext, system: CacheSystem) -> Line | None:
    """Hold the counts of the recipe against the folds made anew; None where the recipe has none of this system."""
    for entry in context.recipe.caches:
        if (entry.stream, entry.features) == (system.stream, system.features) and entry.folds:
            counts = fold_counts(system.folds, system.clips.records)
            if list(entry.folds) == counts:
                return pass_(
                    _RECIPE, system_name(system), f"clips, actors, labels and genders of {len(counts)} sides agree"
                )
            different = (a for a, b in zip(entry.folds, counts, strict=False) if a != b)
            side = next(different, entry.folds[-1])
            return edited(
                _RECIPE,
                system_name(system),
                f"{RECIPE_FILE} counts other clips or actors than the shards give, first in fold {side.get('fold')},"
                f" {side.get('split')}",
            )
    return None
