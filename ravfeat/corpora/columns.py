"""Columns of clips as a table: clip, performance, actor, gender, label, duration, and whatever else is known of each.

What is known is read from the records in the shards. Of RAVDESS names (and those of generated clips) ``intensity``
(normal, strong), ``statement`` (kids, dogs) and ``repetition`` (1, 2) are read from the clip's id.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Protocol

import pyarrow as pa

from ravfeat.corpora.ravdess import parse_stem
from ravfeat.corpora.tables import cell_text, plain_name
from ravfeat.errors import UsageError
from ravfeat.manifest import is_unknown
from ravfeat.schema import ACTIVE_COLUMNS

__all__ = ["KnownClip", "clip_columns", "find_column"]

_OWN = ("clip_id", "performance", "actor", "gender", "label", "duration_s")

_OTHER_NAMES = {"speaker": "actor", "emotion": "label"}


class KnownClip(Protocol):
    """A clip of a manifest or a cache; where both are there, ``duration_s`` or ``n_samples`` say how long it is."""

    @property
    def clip_id(self) -> str: ...  # noqa: D102
    @property
    def performance_id(self) -> str: ...  # noqa: D102
    @property
    def actor(self) -> str: ...  # noqa: D102
    @property
    def gender(self) -> str: ...  # noqa: D102
    @property
    def label(self) -> str: ...  # noqa: D102


def clip_columns(records: Iterable[KnownClip]) -> pa.Table:
    """Put what is known of clips into columns.

    Parameters
    ----------
    records : iterable of KnownClip
        Records of a cache, clips of a manifest or any objects that have some of their attributes.

    Returns
    -------
    pyarrow.Table
        One row per record, in their order: ``clip_id``, ``performance``, ``actor`` (without the corpus; null where
        nobody knows who speaks), ``gender``, ``label``, ``duration_s`` (of the input, in seconds) and every further
        column but where speech lies. A column holds numbers (float64) where every known value is one, else text; null
        where nothing is known.
    """
    clips = list(records)
    columns: dict[str, Sequence[Any]] = {
        "clip_id": [clip.clip_id for clip in clips],
        "performance": [clip.performance_id for clip in clips],
        "actor": [None if is_unknown(clip.actor) else clip.actor.partition(":")[2] or clip.actor for clip in clips],
        "gender": [clip.gender or None for clip in clips],
        "label": [clip.label for clip in clips],
    }
    table = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    table["duration_s"] = pa.array(list(map(_seconds, clips)), pa.float64())
    known: list[Mapping[str, Any]] = [getattr(clip, "further", {}) for clip in clips]
    # Not those called like one of ravfeat's own: a table cannot put another actor into a clip's mouth.
    for name in sorted({name for further in known for name in further} - {*_OWN, *ACTIVE_COLUMNS}):
        table[name] = _column([further.get(name) for further in known])
    for name, values in _ravdess_fields(clips).items():
        table.setdefault(name, _column(values))
    return pa.table(table)


def find_column(table: pa.Table, name: str, subject: str) -> pa.ChunkedArray:
    """Find a column by its name, whatever its case; ``speaker`` is the actor, ``emotion`` the label.

    Parameters
    ----------
    table : pyarrow.Table
    name : str
    subject : str
        What asks for it, for the message.

    Raises
    ------
    UsageError
        Naming the columns that there are.
    """
    for wanted in (plain_name(name), _OTHER_NAMES.get(plain_name(name))):
        if matching := [column for column in table.column_names if plain_name(column) == wanted]:
            # The exact name wins over another one in the same letters.
            return table[name if name in matching else matching[0]]
    raise UsageError(
        f"{subject}: no column '{name}'; there is {', '.join(table.column_names)}. Columns come from the table that a"
        " corpus is extracted from; a value stands in quotes (label == 'happy')"
    )


def _seconds(clip: object) -> float | None:
    rate_hz = getattr(clip, "rate_hz", 0)
    seconds = getattr(clip, "n_samples", 0) / rate_hz if rate_hz > 0 else getattr(clip, "duration_s", None)
    return None if seconds is None or seconds != seconds else float(seconds)


def _column(values: Sequence[Any]) -> pa.Array:
    known = [None if value is None or value != value or value == "" else value for value in values]
    if all(isinstance(value, int | float) for value in known if value is not None):
        return pa.array(known, pa.float64())
    return pa.array([None if value is None else cell_text(value) for value in known], pa.string())


def _ravdess_fields(clips: Sequence[KnownClip]) -> dict[str, list[Any]]:
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
