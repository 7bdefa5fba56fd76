"""Classify the columns of a feature table: clip name, row description, feature, landmark coordinate."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ravfeat.errors import CorpusError, UsageError
from ravfeat.importers.base import FACTS

__all__ = ["NAME_COLUMNS", "Columns", "classify_columns"]

NAME_COLUMNS = ("clip_id", "name", "clip", "file", "filename", "file_name", "path", "filepath", "file_path")
"""Columns that may hold the clip name, in order of preference."""

_KNOWN = frozenset(
    {
        "index", "idx", "row", "rows", "rownum", "id", "unnamed", "start", "end", "begin", "stop", "frame", "frames",
        "time", "timestamp", "frametime", "starttime", "endtime", "label", "labels", "class", "cls", "target",
        "emotion", "emo", "valence", "arousal", "dominance", "sentiment", "groundtruth", "actor", "speaker", "spk",
        "subject", "subj", "person", "participant", "user", "performance", "sex", "gender", "age", "race", "ethnicity",
        "nationality", "split", "fold", "session", "partition", "subset", "corpus", "dataset", "clip", "utterance",
        "utt", "sentence", "statement", "repetition",
    }
)  # fmt: skip
"""Words that name an index, a time, a target or an identity."""

_QUALIFIERS = frozenset(
    {
        "id", "ids", "number", "num", "no", "nr", "name", "code", "str", "int", "enc", "encoded", "true", "gold", "gt",
        "ground", "truth",
    }
)  # fmt: skip
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_INDEX = re.compile(r"\W*|unnamed\W.*|(__)?(index_)?level_\d+(__)?|y_(true|gt|label)|#|nr\.?|no\.?", re.IGNORECASE)

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
    left_out : tuple of str
        Columns that are known to be no features: indices, times, targets, identities.
    chosen : frozenset of str
        Columns that were named one by one, and are features whatever they hold.
    """

    name: str
    face: str
    facts: Mapping[str, str]
    features: tuple[str, ...]
    shape: tuple[int, ...]
    left_out: tuple[str, ...] = ()
    chosen: frozenset[str] = frozenset()

    @property
    def segmented(self) -> bool:
        """Whether rows have a start or an end, as an audformat index has."""
        return any(_words(name) & {"start", "end", "begin", "stop"} for name in self.left_out)


def classify_columns(
    where: str, header: Sequence[str], chosen: str | None = None, named: Sequence[str] = ()
) -> Columns:
    """Classify every column of a header.

    Parameters
    ----------
    where : str
        The file, for messages.
    header : sequence of str
    chosen : str, optional
        Prefixes of feature columns, separated by commas; None takes all, or those in ``named`` where there are any.
    named : sequence of str
        Columns that are features whatever they are called.

    Raises
    ------
    CorpusError
        Where a column name is repeated, or there is no feature column.
    UsageError
        Where no feature column has such a prefix, or there is no column in ``named``.
    """
    if repeated := sorted({name for name in header if list(header).count(name) > 1}):
        raise CorpusError(f"{where} has more than one column called {repeated}; rename or drop one")
    # Reversed, so that of two spellings of a name the first column counts.
    by_lower = {name.lower(): name for name in reversed(header)}
    if absent := [name for name in named if name not in header]:
        raise UsageError(f"{where}: no column is called {absent[0]} (--columns); there are {_some(header)}")
    facts = {*NAME_COLUMNS, *FACTS, "face_id"}
    left_out = tuple(name for name in header if name not in named and name.lower() not in facts and not_a_feature(name))
    features = tuple(name for name in header if name.lower() not in facts and name not in left_out)
    if named and chosen is None:
        features = tuple(name for name in header if name in named)
    if not features:
        raise CorpusError(
            f"{where} has no feature columns, only {list(header)}; indices, times, targets and identities are features"
            " only where --columns names them"
        )
    if chosen is not None:
        begins = tuple(part.strip() for part in chosen.split(","))
        taken = tuple(name for name in features if name.startswith(begins) or name in named)
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
        left_out=left_out,
        chosen=frozenset(named),
    )


def not_a_feature(name: str) -> bool:
    """Whether a column's name says that it is an index, a time, a target or an identity.

    Examples
    --------
    >>> [not_a_feature(name) for name in ("Unnamed: 0", "class_id", "trueLabel", "emotion_happy", "F0_mean")]
    [True, True, True, False, False]
    """
    words = _words(name)
    return bool(_INDEX.fullmatch(name) or (words and words <= _KNOWN | _QUALIFIERS and words & _KNOWN))


def _words(name: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(name)}


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
