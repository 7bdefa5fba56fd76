"""Columns of clips as a table: clip, performance, actor, gender, label, duration, and whatever else is known of each.

What is known is read from the records in the shards. Of RAVDESS names (and those of generated clips) ``intensity``
(normal, strong), ``statement`` (kids, dogs) and ``repetition`` (1, 2) are read from the clip's id.
"""

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa

from ravfeat.cache.format import ClipRecord
from ravfeat.corpora.ravdess import parse_stem
from ravfeat.corpora.tables import cell_text
from ravfeat.schema import ACTIVE_COLUMNS

__all__ = ["clip_columns"]

_OWN = ("clip_id", "performance", "actor", "gender", "label", "duration_s")


def clip_columns(records: Iterable[ClipRecord]) -> pa.Table:
    """Put what is known of clips into columns.

    Parameters
    ----------
    records : iterable of ClipRecord

    Returns
    -------
    pyarrow.Table
        One row per record, in their order: ``clip_id``, ``performance``, ``actor`` (without the corpus), ``gender``,
        ``label``, ``duration_s`` (of the input, in seconds) and every further column but where speech lies. A column
        holds numbers (float64) where every known value is one, else text; null where nothing is known.
    """
    clips = list(records)
    columns: dict[str, Sequence[Any]] = {
        "clip_id": [clip.clip_id for clip in clips],
        "performance": [clip.performance_id for clip in clips],
        "actor": [clip.actor.partition(":")[2] or clip.actor for clip in clips],
        "gender": [clip.gender or None for clip in clips],
        "label": [clip.label for clip in clips],
    }
    table = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    seconds = [clip.n_samples / clip.rate_hz if clip.rate_hz > 0 else None for clip in clips]
    table["duration_s"] = pa.array(seconds, pa.float64())
    # Not those called like one of ravfeat's own: a table cannot put another actor into a clip's mouth.
    names = sorted({name for clip in clips for name in clip.further} - {*_OWN, *ACTIVE_COLUMNS})
    for name in names:
        table[name] = _column([clip.further.get(name) for clip in clips])
    for name, values in _ravdess_fields(clips).items():
        table.setdefault(name, _column(values))
    return pa.table(table)


def _column(values: Sequence[Any]) -> pa.Array:
    known = [None if value is None or value != value or value == "" else value for value in values]
    if all(isinstance(value, int | float) for value in known if value is not None):
        return pa.array(known, pa.float64())
    return pa.array([None if value is None else cell_text(value) for value in known], pa.string())


def _ravdess_fields(clips: Sequence[ClipRecord]) -> dict[str, list[Any]]:
    """Read the fields of RAVDESS names that a record does not hold; nothing unless every clip has such a name."""
    stems = [PurePosixPath(clip.clip_id).name for clip in clips]
    if not stems or not all(map(parse_stem, stems)):
        return {}
    fields = [stem.split("-") for stem in stems]
    return {
        "intensity": [("normal", "strong")[int(field[3]) - 1] for field in fields],
        "statement": [("kids", "dogs")[int(field[4]) - 1] for field in fields],
        "repetition": [int(field[5]) for field in fields],
    }
