"""What the columns of a feature table are: names, facts about a row, features; landmarks among them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ravfeat.errors import CorpusError, UsageError
from ravfeat.importers.base import FACTS

__all__ = ["NAME_COLUMNS", "Columns", "sort_columns"]

NAME_COLUMNS = ("clip_id", "name", "clip", "file", "filename")
"""Columns that may say whose row it is; the first of them that is there does."""

BOOKKEEPING = frozenset({*NAME_COLUMNS, *FACTS, "face_id", "label", "emotion", "actor", "performance", "gender"})
"""Columns that are never features, in lower case."""

_POINT = re.compile(r"([xyz])_(\d+)")
_POINTS = (68, 478)


@dataclass(frozen=True)
class Columns:
    """The columns of one table.

    Attributes
    ----------
    name : str
        Column that says whose row it is; empty where none does.
    face : str
        Column with the number of the face; empty where there is none.
    facts : mapping of str to str
        Column by what it is to us (a value of `FACTS`).
    features : tuple of str
        In the order in which they become dimensions.
    shape : tuple of int
        Of one row: (D,), or (P, 2|3) where the features are the landmarks x_0 … and y_0 … (and z_0 …).
    """

    name: str
    face: str
    facts: Mapping[str, str]
    features: tuple[str, ...]
    shape: tuple[int, ...]


def sort_columns(where: str, header: Sequence[str], chosen: str | None = None) -> Columns:
    """Find out what every column is.

    Parameters
    ----------
    where : str
        The file, for messages.
    header : sequence of str
    chosen : str, optional
        Beginnings of feature columns, with commas between them; None takes all.

    Raises
    ------
    CorpusError
        Where two columns have one name, or there is no feature.
    UsageError
        Where no feature begins so.
    """
    if twice := sorted({name for name in header if list(header).count(name) > 1}):
        raise CorpusError(f"{where} has more than one column called {twice}; rename or drop one")
    by_lower = {name.lower(): name for name in reversed(header)}
    features = tuple(name for name in header if name and name.lower() not in BOOKKEEPING)
    if not features:
        raise CorpusError(f"{where} has no feature columns, only {list(header)}; expected a table with commas")
    if chosen is not None:
        begins = tuple(part.strip() for part in chosen.split(","))
        taken = tuple(name for name in features if name.startswith(begins))
        if not taken:
            raise UsageError(f"{where}: no feature column begins with --array {chosen}; there are {_some(features)}")
        features = taken
    features, shape = _as_points(features)
    return Columns(
        name=next((by_lower[name] for name in NAME_COLUMNS if name in by_lower), ""),
        face=by_lower.get("face_id", ""),
        facts={fact: by_lower[column] for column, fact in FACTS.items() if column in by_lower},
        features=features,
        shape=shape,
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _as_points(features: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Put landmarks point after point; give anything else as it is."""
    axes = sorted({match[1] for name in features if (match := _POINT.fullmatch(name))})
    for n_points in _POINTS:
        for wanted in (["x", "y"], ["x", "y", "z"]):
            points = tuple(f"{axis}_{point}" for point in range(n_points) for axis in wanted)
            if axes == wanted and len(features) == len(points) and set(features) == set(points):
                return points, (n_points, len(wanted))
    return features, (len(features),)
