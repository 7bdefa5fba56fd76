"""Whose labels the rows carry, and which clips of the corpus they leave out.

A table of labels may replace the corpus's own, and clips may be missing: either can make a task easier than it looks.
"""

from collections import Counter
from collections.abc import Mapping

from ravfeat.audit.context import Opened
from ravfeat.audit.folds import name_of
from ravfeat.audit.verdicts import Line, info, not_possible, pass_, warn
from ravfeat.cache import Cache
from ravfeat.crosscorpus.pairs import CorpusPair
from ravfeat.experiment.systems import CacheSystem
from ravfeat.predictions import Predictions

__all__ = ["check_labels", "check_left_out"]

_LABELS = "labels are those of the corpus"
_CLIPS = "no clip left out"


def check_labels(opened: Opened) -> list[Line]:
    """Compare the label of every row with that in the shards."""
    if opened.prepared is None or opened.predictions is None:
        return [not_possible(_LABELS, "", opened.why or opened.refused)]
    return [_compared(system, opened.predictions) for system in opened.prepared.systems]


def _compared(system: CacheSystem, predictions: Predictions) -> Line:
    stored = {clip_id: one.label for cache in _first(system) for clip_id, one in cache.records().items()}
    given = _labels(system, predictions)
    moved = Counter((stored[one], label) for one, label in given.items() if one in stored and stored[one] != label)
    if not moved:
        return pass_(_LABELS, name_of(system), f"{len(given)} clips are labelled as the shards label them")
    listing = ", ".join(f"{a} to {b} {n}" for (a, b), n in sorted(moved.items()))
    evidence = [{"shards": a, "rows": b, "clips": n} for (a, b), n in sorted(moved.items())]
    whole = isinstance(system, CorpusPair) and len({a for a, _ in moved}) == len(moved)
    line = info if whole else warn  # a label map renames whole classes
    return line(
        _LABELS,
        name_of(system),
        f"{sum(moved.values())} of {len(given)} clips have another label than in the shards: {listing}",
        changed=evidence,
    )


def _labels(system: CacheSystem, predictions: Predictions) -> dict[str, str]:
    """Give what the rows of the system are labelled; of clips without a row, what the heads were taught."""
    rows = predictions.table.select(["stream", "features", "clip_id", "label"]).to_pylist()
    taught = {one.clip_id: one.label for one in system.clips.records}
    own = (system.stream, system.features)
    return taught | {row["clip_id"]: row["label"] for row in rows if (row["stream"], row["features"]) == own}


def check_left_out(opened: Opened) -> list[Line]:
    """Count the clips of every class of the corpus that are not among those that were trained on or tested."""
    if opened.prepared is None:
        return [not_possible(_CLIPS, "", opened.why)]
    return [_counted(system) for system in opened.prepared.systems]


def _counted(system: CacheSystem) -> Line:
    every: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    for cache, clip_ids in zip(_first(system), system.clip_ids, strict=False):
        labels = _planned(cache)
        own = Counter(labels[clip_id] for clip_id in clip_ids if clip_id in labels)
        # A class that a map leaves out as a whole is another task, and the class list says so.
        whole = labels.keys() if not isinstance(system, CorpusPair) else {
            clip_id for clip_id, label in labels.items() if own[label]
        }  # fmt: skip
        every.update(labels[clip_id] for clip_id in whole)
        kept.update(own)
    gone = {label: every[label] - kept[label] for label in sorted(every) if every[label] > kept[label]}
    if not gone:
        return pass_(_CLIPS, name_of(system), f"all {every.total()} clips of the manifest are trained on and tested")
    listing = ", ".join(f"{label} {n} of {every[label]}" for label, n in gone.items())
    return warn(
        _CLIPS,
        name_of(system),
        f"{sum(gone.values())} of {every.total()} clips of the manifest are neither trained on nor tested: {listing}",
        left_out=gone,
        all=dict(every),
    )


def _first(system: CacheSystem) -> tuple[Cache, ...]:
    """Give the caches whose names of clips the rows carry."""
    return system.caches if isinstance(system, CorpusPair) else system.caches[:1]


def _planned(cache: Cache) -> Mapping[str, str]:
    rows = cache.manifest.select(["clip_id", "label"]).to_pylist()
    return {row["clip_id"]: row["label"] for row in rows}
