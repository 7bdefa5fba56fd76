"""Classify the columns of a feature table: clip name, row description, feature, landmark coordinate."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ravfeat.errors import CorpusError, UsageError
from ravfeat.importers.base import FACTS

__all__ = ["NAME_COLUMNS", "Columns", "classify_columns"]

NAME_COLUMNS = ("clip_id", "name", "clip", "file", "filename")
"""Columns that may hold the clip name, in order of preference."""

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
        Column with the clip name; empty where there is none.
    face : str
        Column with the number of the face; empty where there is none.
    facts : mapping of str to str
        A value of `FACTS` → the column that holds it.
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


def classify_columns(where: str, header: Sequence[str], chosen: str | None = None) -> Columns:
    """Classify every column of a header.

    Parameters
    ----------
    where : str
        The file, for messages.
    header : sequence of str
    chosen : str, optional
        Prefixes of feature columns, separated by commas; None takes all.

    Raises
    ------
    CorpusError
        Where a column name is repeated, or there is no feature column.
    UsageError
        Where no feature column has such a prefix.
    """
    if repeated := sorted({name for name in header if list(header).count(name) > 1}):
        raise CorpusError(f"{where} has more than one column called {repeated}; rename or drop one")
    # Reversed, so that of two spellings of a name the first column counts.
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
    """Order landmark columns point by point (x_0, y_0, x_1, …); leave other features as they are."""
    axes = sorted({match[1] for name in features if (match := _POINT.fullmatch(name))})
    for n_points in _POINTS:
        for wanted in (["x", "y"], ["x", "y", "z"]):
            points = tuple(f"{axis}_{point}" for point in range(n_points) for axis in wanted)
            # Only the complete set is landmarks; anything else keeps the order of the file.
            if axes == wanted and len(features) == len(points) and set(features) == set(points):
                return points, (n_points, len(wanted))
    return features, (len(features),)
