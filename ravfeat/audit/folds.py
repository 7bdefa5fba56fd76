"""Whether actors, performances and recordings are on one side each, asked of the shards' own records once more.

The folds are made again from the protocol, counted over without the code that made them, and held against the counts
in the recipe and against every row of the predictions.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.audit.context import Opened
from ravfeat.audit.overlap import Overlap, overlaps_of
from ravfeat.audit.verdicts import Line, edited, leak, not_possible, pass_
from ravfeat.cache.format import ClipRecord
from ravfeat.crosscorpus.pairs import CorpusPair
from ravfeat.experiment.fit import PreparedPlan
from ravfeat.experiment.selection import InnerFolds
from ravfeat.experiment.systems import CacheSystem
from ravfeat.protocols.folds import fold_counts

__all__ = ["check_leaky", "check_sides"]

_FOLDS = "folds from the shards"
_RECIPE = "folds as recorded"
_PROTOCOL = "protocol keeps actors apart"


def check_leaky(opened: Opened) -> list[Line]:
    """Say whether the run is a control that leaks on purpose, by any of the files that tell."""
    said = {
        "recipe.json": bool(opened.recipe.get("leaky")),
        "predictions.parquet": opened.predictions is not None and opened.predictions.leaky,
        "its protocol": opened.prepared is not None and opened.prepared.protocol.leaky,
    }
    name = str(opened.recipe.get("protocol", "unknown"))
    if any(said.values()):
        told = " and ".join(file for file, leaky in said.items() if leaky)
        return [
            leak(
                _PROTOCOL,
                "",
                f"'{name}' is LEAKY (so say {told}): it tests actors that were trained on; the run is a control, its"
                " numbers are no result",
                protocol=name,
            )
        ]
    return [pass_(_PROTOCOL, "", f"'{name}' is not a leaky one, says every file", protocol=name)]


def check_sides(opened: Opened) -> list[Line]:
    """Count over the folds of every system."""
    if opened.leaking:
        return [leak(_FOLDS, "", opened.leaking)]
    prepared = opened.prepared
    if prepared is None:
        return [not_possible(_FOLDS, "", opened.why)]
    lines = []
    for system, inner in zip(prepared.systems, prepared.inner, strict=True):
        lines.append(_counted(system, inner, prepared))
        if line := _recorded(opened, system):
            lines.append(line)
    return lines


def name_of(system: CacheSystem) -> str:
    """Name a system of a plan."""
    return f"{system.stream} / {system.features}"


def _counted(system: CacheSystem, inner: InnerFolds | None, prepared: PreparedPlan) -> Line:
    found = sorted(_overlaps(system, inner), key=lambda one: "test" not in one[1].sides)
    n_inner = 0 if inner is None else sum(map(len, inner.values()))
    actors = {record.actor for record in system.clips.records}
    what = f"{len(system.folds)} folds{f' and {n_inner} inner ones' if n_inner else ''}"
    evidence: dict[str, Any] = {
        "folds": len(system.folds),
        "inner_folds": n_inner,
        "clips": len(system.clips.records),
        "actors": len(actors),
        "overlaps": [{"where": where, **overlap.record()} for where, overlap in found[:20]],
    }
    if found:
        where, first = found[0]
        rest = f" ({len(found)} such overlaps)" if len(found) > 1 else ""
        return leak(_FOLDS, name_of(system), f"{where}: {first}{rest}", **evidence)
    return pass_(
        _FOLDS,
        name_of(system),
        f"{what} of '{prepared.protocol.name}', {len(actors)} actors, {len(system.clips.records)} clips: no actor,"
        " performance or recording on two sides",
        **evidence,
    )


def _overlaps(system: CacheSystem, inner: InnerFolds | None) -> Iterator[tuple[str, Overlap]]:
    for name, records in _read(system):
        for fold in system.folds:
            sides = {"train": fold.train, "val": fold.val, "test": fold.test}
            for overlap in overlaps_of(_with_views(system, records, sides)):
                yield f"fold {fold.number} of {name}", overlap
            for number, (train, val) in enumerate(() if inner is None else inner[fold.number]):
                sides = {"train": train, "inner val": val, "test": fold.test}
                for overlap in overlaps_of(_with_views(system, records, sides)):
                    yield f"inner fold {number} of fold {fold.number} of {name}", overlap


def _read(system: CacheSystem) -> Iterator[tuple[str, list[ClipRecord]]]:
    """Give what the shards say of every clip, by what they lie in; two corpora are one after the other."""
    read = []
    for cache, clip_ids in zip(system.caches, system.clip_ids, strict=True):
        known = cache.records()
        read.append((cache.path.name, [known[clip_id] for clip_id in clip_ids]))
    if isinstance(system, CorpusPair):
        yield " and ".join(name for name, _ in read), [one for _, records in read for one in records]
    else:
        yield from read


def _with_views(
    system: CacheSystem, records: Sequence[ClipRecord], sides: Mapping[str, NDArray[np.int64]]
) -> dict[str, list[tuple[str, Mapping[str, str]]]]:
    """Give what is known of every clip on every side; the views of training clips train, too."""
    facts = {side: list(_facts(records, rows)) for side, rows in sides.items()}
    for view in system.views:
        known = view.cache.records()
        own = [known[clip_id] for clip_id in view.clip_ids]
        facts["train"] += _facts(own, np.flatnonzero(np.isin(view.rows, sides["train"])))
    return facts


def _facts(records: Sequence[ClipRecord], rows: NDArray[np.int64]) -> Iterator[tuple[str, Mapping[str, str]]]:
    for row in rows.tolist():
        one = records[row]
        yield (
            one.clip_id,
            {"actor": one.actor, "performance": one.performance_id, "recording": one.input_sha256},
        )


def _recorded(opened: Opened, system: CacheSystem) -> Line | None:
    """Hold the counts of the recipe against the folds made anew; None where the recipe has none of this system."""
    for entry in opened.recipe["caches"]:
        if (entry.get("stream"), entry.get("features")) == (system.stream, system.features) and "folds" in entry:
            again = fold_counts(system.folds, system.clips.records)
            if entry["folds"] == again:
                return pass_(_RECIPE, name_of(system), f"clips, actors, labels and genders of {len(again)} sides agree")
            odd = next((a for a, b in zip(entry["folds"], again, strict=False) if a != b), entry["folds"][-1])
            return edited(
                _RECIPE,
                name_of(system),
                f"recipe.json counts other clips or actors than the shards give, first in fold {odd.get('fold')},"
                f" {odd.get('split')}",
            )
    return None
