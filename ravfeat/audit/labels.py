"""Labels of the rows against those of the corpus, and clips of the corpus that are left out.

A table of labels may replace the corpus's own, and clips may be missing: either can make a task easier than it looks.
"""

from collections import Counter
from collections.abc import Mapping

from ravfeat.audit.context import RunContext
from ravfeat.audit.folds import system_name
from ravfeat.audit.verdicts import Line, info, not_possible, pass_, warn
from ravfeat.cache import Cache
from ravfeat.crosscorpus.pairs import CorpusPair
from ravfeat.experiment.systems import CacheSystem
from ravfeat.predictions import Predictions

__all__ = ["check_labels", "check_left_out"]

_LABELS = "labels are those of the corpus"
_CLIPS = "no clip left out"


def check_labels(context: RunContext) -> list[Line]:
    """Compare the label of every row with that in the shards."""
    if context.prepared is None or context.predictions is None:
        return [not_possible(_LABELS, "", context.reason or context.refusal)]
    # A label map renames whole classes.
    mapped = context.recipe.cross_corpus is not None or bool(
        context.recipe.narrowed and context.recipe.narrowed.label_map
    )
    return [_check_labels(system, context.predictions, mapped=mapped) for system in context.prepared.systems]


def _check_labels(system: CacheSystem, predictions: Predictions, *, mapped: bool) -> Line:
    stored = {clip_id: record.label for cache in _named_caches(system) for clip_id, record in cache.records().items()}
    labels = _labels(system, predictions)
    moved = Counter(
        (stored[clip_id], label) for clip_id, label in labels.items() if stored.get(clip_id, label) != label
    )
    if not moved:
        return pass_(_LABELS, system_name(system), f"{len(labels)} clips are labelled as the shards label them")
    listing = ", ".join(f"{a} to {b} {n}" for (a, b), n in sorted(moved.items()))
    evidence = [{"shards": a, "rows": b, "clips": n} for (a, b), n in sorted(moved.items())]
    line = info if mapped and len({a for a, _ in moved}) == len(moved) else warn
    return line(
        _LABELS,
        system_name(system),
        f"{sum(moved.values())} of {len(labels)} clips have another label than in the shards: {listing}",
        changed=evidence,
    )


def _labels(system: CacheSystem, predictions: Predictions) -> dict[str, str]:
    """Give the labels of the system's rows; of clips without a row, those that the heads were trained on."""
    rows = predictions.table.select(["stream", "features", "clip_id", "label"]).to_pylist()
    trained = {record.clip_id: record.label for record in system.clips.records}
    key = (system.stream, system.features)
    return trained | {row["clip_id"]: row["label"] for row in rows if (row["stream"], row["features"]) == key}


def check_left_out(context: RunContext) -> list[Line]:
    """Count the clips of every class of the corpus that are not among those that were trained on or tested."""
    if context.prepared is None:
        return [not_possible(_CLIPS, "", context.reason)]
    return [_check_left_out(system) for system in context.prepared.systems]


def _check_left_out(system: CacheSystem) -> Line:
    planned: Counter[str] = Counter()
    used: Counter[str] = Counter()
    for cache, clip_ids in zip(_named_caches(system), system.clip_ids, strict=False):
        labels = _manifest_labels(cache)
        counts = Counter(labels[clip_id] for clip_id in clip_ids if clip_id in labels)
        # A class that a map leaves out as a whole is another task, and the class list says so.
        in_classes = [label for label in labels.values() if counts[label] or not isinstance(system, CorpusPair)]
        planned.update(in_classes)
        used.update(counts)
    left_out = {label: planned[label] - used[label] for label in sorted(planned) if planned[label] > used[label]}
    if not left_out:
        return pass_(
            _CLIPS, system_name(system), f"all {planned.total()} clips of the manifest are trained on and tested"
        )
    listing = ", ".join(f"{label} {n} of {planned[label]}" for label, n in left_out.items())
    return warn(
        _CLIPS,
        system_name(system),
        f"{sum(left_out.values())} of {planned.total()} clips of the manifest are neither trained on nor tested:"
        f" {listing}",
        left_out=left_out,
        all=dict(planned),
    )


def _named_caches(system: CacheSystem) -> tuple[Cache, ...]:
    """Give the caches whose names of clips the rows carry."""
    return system.caches if isinstance(system, CorpusPair) else system.caches[:1]


def _manifest_labels(cache: Cache) -> Mapping[str, str]:
    rows = cache.manifest.select(["clip_id", "label"]).to_pylist()
    return {row["clip_id"]: row["label"] for row in rows}
