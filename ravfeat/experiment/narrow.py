"""Narrow clips down to those that a condition keeps, under the classes that a table names.

In this order: clips that are not in the table given last and those that ``--clips`` does not list go first (see
`ravfeat.experiment.subset`), then those without a label, then those that ``--where`` does not keep, which sees labels
as they are then, and last those whose label stands for no class.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.cache.format import ClipRecord
from ravfeat.corpora.columns import clip_columns
from ravfeat.corpora.label_map import ClassMap, CorpusLabels, read_class_map
from ravfeat.corpora.labels import LabelledClips
from ravfeat.corpora.where import Where
from ravfeat.errors import UsageError
from ravfeat.experiment.plan import DataPlan
from ravfeat.files import sha256_of

__all__ = ["Narrowed", "narrow", "narrowed_record", "where_rows"]


@dataclass(frozen=True)
class Narrowed:
    """Clips that are left.

    Attributes
    ----------
    clips : LabelledClips
    left_out : mapping of str to int
        Clips that are not, by what leaves them out.
    """

    clips: LabelledClips
    left_out: Mapping[str, int]


def narrow(
    plan: DataPlan, systems: Sequence[LabelledClips], corpus: str = "", labels: Iterable[str] = ()
) -> list[Narrowed]:
    """Leave out what a plan's condition and table of classes leave out of the clips of every system.

    Parameters
    ----------
    plan : DataPlan
    systems : sequence of LabelledClips
    corpus : str
    labels : iterable of str
        All that the corpus knows, with clips or without.

    Raises
    ------
    UsageError
        Where the condition does not fit the clips, or keeps none.
    CorpusError
        Where the table does not fit the labels.
    """
    narrowed = [Narrowed(clips, {}) for clips in systems]
    if plan.where:
        masks = where_rows(plan.where, [clips.records for clips in systems])
        narrowed = [_kept(each, mask.tolist(), "--where") for each, mask in zip(narrowed, masks, strict=True)]
    if plan.label_map is not None:
        # Of systems that lack clips the fullest knows best which labels there are.
        records = max((each.clips.records for each in narrowed), key=len)
        known = CorpusLabels.of(corpus, tuple(dict.fromkeys(labels)), records)
        class_map = read_class_map(plan.label_map, known, plan.as_written)
        narrowed = [_mapped(each, class_map) for each in narrowed]
    return narrowed


def where_rows(text: str, systems: Sequence[Sequence[ClipRecord]]) -> list[NDArray[np.bool_]]:
    """Tell which clips of each system a condition keeps; see `Where.rows_of`.

    Raises
    ------
    UsageError
        Also where it keeps none.
    """
    masks = Where.parse(text).rows_of([clip_columns(records) for records in systems])
    if not all(mask.any() for mask in masks):
        raise UsageError(f"where {text!r}: it keeps none of {min(map(len, masks))} clips; ask for less at once")
    return masks


def _kept(narrowed: Narrowed, keep: Sequence[bool], reason: str) -> Narrowed:
    clips = narrowed.clips
    records = [record for record, is_kept in zip(clips.records, keep, strict=True) if is_kept]
    fewer = replace(LabelledClips.of(records, clips.classes), left_out=clips.left_out)
    return Narrowed(fewer, {**narrowed.left_out, reason: len(clips.records) - len(records)})


def _mapped(narrowed: Narrowed, class_map: ClassMap) -> Narrowed:
    kept = _kept(narrowed, [bool(class_map.means[r.label]) for r in narrowed.clips.records], "--label-map")
    records = [replace(record, label=class_map.means[record.label]) for record in kept.clips.records]
    return replace(kept, clips=replace(LabelledClips.of(records, class_map.classes), left_out=kept.clips.left_out))


def narrowed_record(plan: DataPlan, narrowed: Mapping[str, int], records: Sequence[ClipRecord]) -> dict[str, Any]:
    """Say for the record of a run which clips it is about; empty where all are used under their own labels.

    Parameters
    ----------
    plan : DataPlan
    narrowed : mapping of str to int
        Clips that are left out, by what leaves them out.
    records : sequence of ClipRecord
        Clips that are used.
    """
    if not (plan.where or plan.label_map or narrowed):
        return {}
    table = plan.label_map
    return {
        "where": plan.where,
        **({} if table is None else {"label_map": table.name, "label_map_sha256": sha256_of(table)}),
        "left_out": dict(narrowed),
        "clips": len(records),
        "labels": dict(sorted(Counter(record.label for record in records).items())),
    }
