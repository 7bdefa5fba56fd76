"""``groups.json``: what is known of the test clips of a run, so that it can be scored by group without its caches."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from ravfeat.documents import NotEmpty, Text, read_json
from ravfeat.errors import PredictionsError
from ravfeat.runs.format import AGAIN, GROUPS_FILE

__all__ = ["Columns", "groups_record", "joined_columns", "read_groups"]

Columns = Mapping[str, Mapping[str, str]]
"""By column, the value of every clip of which it is known."""


@dataclass(frozen=True)
class _Groups:
    """The file: `values` of a column are in the order of `clips`, null where nothing is known."""

    clips: Annotated[tuple[Text, ...], NotEmpty]
    columns: Mapping[str, tuple[str | None, ...]]
    format: Literal["ravfeat-groups"] = "ravfeat-groups"
    format_version: Literal[1] = 1


def read_groups(run: Path) -> Columns:
    """Read ``groups.json``; empty where a run has none, as those of older versions and of score files.

    Raises
    ------
    PredictionsError
        Where it is damaged or of a newer version.
    """
    path = run / GROUPS_FILE
    if not path.is_file():
        return {}
    groups = read_json(path, _Groups, PredictionsError, AGAIN)
    if len(set(groups.clips)) < len(groups.clips):
        raise PredictionsError(f"{path} names a clip twice; {AGAIN}")
    for name, values in groups.columns.items():
        if len(values) != len(groups.clips):
            raise PredictionsError(
                f"{path} has {len(values)} values of {name!a} for {len(groups.clips)} clips; {AGAIN}"
            )
    return {name: _known(groups.clips, values) for name, values in groups.columns.items()}


def _known(clips: Iterable[str], values: Iterable[str | None]) -> dict[str, str]:
    return {clip: value for clip, value in zip(clips, values, strict=True) if value is not None}


def groups_record(columns: Columns) -> dict[str, Any]:
    """Give the content of the file."""
    clips = sorted({clip for values in columns.values() for clip in values})
    named = {name: [values.get(clip) for clip in clips] for name, values in sorted(columns.items())}
    return {"format": "ravfeat-groups", "format_version": 1, "clips": clips, "columns": named}


def joined_columns(parts: Iterable[Columns]) -> dict[str, dict[str, str]]:
    """Put together what several runs or caches know; where they contradict each other, the first one holds."""
    joined: dict[str, dict[str, str]] = {}
    for part in parts:
        for name, values in part.items():
            joined[name] = {**values, **joined.get(name, {})}
    return joined
