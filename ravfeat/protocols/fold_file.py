"""Read who is tested when from a table: clip (id, path or stem) or actor, ``fold``, ``split`` (train, val, test).

Conventions
-----------
With ``fold`` alone, every row is tested in its fold. With ``split``, a row says on which side of its fold a clip or an
actor is, and every fold names every clip; without ``fold`` there is one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ravfeat.corpora.clip_names import ClipNames
from ravfeat.corpora.spellings import spelling_key
from ravfeat.corpora.tables import cell_text, plain_name, read_table
from ravfeat.errors import CorpusError, ProtocolError
from ravfeat.escape import printable
from ravfeat.files import sha256_of

__all__ = ["SIDES", "FoldFile", "Side", "fold_file_name", "in_order", "read_fold_file", "side_of"]

Side = Literal["train", "val", "test"]

SIDES: Mapping[str, Side] = {
    "train": "train", "training": "train", "trn": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val", "devel": "val", "development": "val",
    "test": "test", "testing": "test", "eval": "test", "evaluation": "test",
}  # fmt: skip
"""What official splits call their sides, in lower case."""

_COLUMNS = {
    "clip": ("clipid", "clip", "id", "path", "file", "filename", "filepath", "audiopath", "wav", "stem", "name", "key"),
    "actor": ("actor", "speaker", "speakerid", "actorid", "subject", "subjectid", "participant"),
    "fold": ("fold",),
    "split": ("split", "side", "set", "subset", "partition"),
}
"""Names of a column as `ravfeat.corpora.tables.plain_name` writes them, the one that is meant first in front."""


@dataclass(frozen=True)
class FoldFile:
    """A table of folds.

    Attributes
    ----------
    path : Path
    sha256 : str
    by : {"clip", "actor"}
        What a row names.
    folds : mapping of str to mapping of str to str
        By fold, in order: name of a clip or an actor → side.
    names_sides : bool
        Whether the table has a column ``split``; else all that it names is tested.
    """

    path: Path
    sha256: str
    by: Literal["clip", "actor"]
    folds: Mapping[str, Mapping[str, Side]] = field(repr=False)
    names_sides: bool

    @property
    def name(self) -> str:
        """Name of the file and the first digits of its digest."""
        return fold_file_name(self.path, self.sha256)

    def sides(self, clip_ids: Sequence[str], actors: Sequence[str]) -> list[tuple[str, list[Side | None]]]:
        """Tell the side of every clip in every fold; None where a fold does not name it.

        Parameters
        ----------
        clip_ids, actors : sequence of str, length N
            Of the clips; actors with the corpus in front.

        Returns
        -------
        list of (str, list of length N)
            By fold: its name, and the side of every clip.

        Raises
        ------
        CorpusError
            Where a name could be several clips, or two names are one.
        ProtocolError
            Where the table names none of the clips.
        """
        names = self._names_of(clip_ids, actors)
        if not any(names):
            known = sorted({actor.partition(":")[2] or actor for actor in actors} if self.by == "actor" else clip_ids)
            raise ProtocolError(
                f"{self.path} names none of the {len(known)} {self.by}s here: it has '{self._names()[0]}' and the like,"
                f" they are called {', '.join(known[:3])} …; is it of another corpus?"
            )
        return [(fold, [sides.get(name or "") for name in names]) for fold, sides in self.folds.items()]

    def unused(self, clip_ids: Sequence[str], actors: Sequence[str]) -> list[str]:
        """Give the names in the table that are no clip or actor here, as of clips that a run leaves out."""
        used = {*self._names_of(clip_ids, actors)}
        return [name for name in self._names() if name not in used]

    def _names(self) -> list[str]:
        return list(dict.fromkeys(name for sides in self.folds.values() for name in sides))

    def _names_of(self, clip_ids: Sequence[str], actors: Sequence[str]) -> list[str | None]:
        """Give what the table calls every clip, or its actor; None where it does not name it."""
        if self.by == "clip":
            clips = ClipNames(clip_ids)
            found = [(clips.find(name), name) for name in self._names()]
        else:
            bare = {actor: actor.partition(":")[2] or actor for actor in actors}
            # As `check_names` compares them: a table of numbers says 1 where the corpus says 01.
            keys = {spelling_key(name): actor for actor, name in bare.items()}
            keys |= {spelling_key(actor): actor for actor in bare}
            found = [(keys.get(spelling_key(name)), name) for name in self._names()]
        names: dict[str, str] = {}
        for meant, name in found:
            if meant is not None and names.setdefault(meant, name) != name:
                raise CorpusError(f"{self.path} names '{meant}' twice, as '{names[meant]}' and as '{name}'; keep one")
        return [names.get(known) for known in (clip_ids if self.by == "clip" else actors)]


def fold_file_name(path: Path, sha256: str) -> str:
    """Name a file of folds in every output: its own name, and the first digits of its digest."""
    return f"{printable(path.stem)}@{sha256[:8]}"


def read_fold_file(path: Path) -> FoldFile:
    """Read a table of folds, CSV or Parquet.

    Raises
    ------
    CorpusError
        For a file that cannot be read, a column that lacks, an empty cell, a side that is none, and a clip or an actor
        with two places.
    """
    table = read_table(path)
    columns = {kind: _column(kind, table.column_names) for kind in _COLUMNS}
    by: Literal["clip", "actor"] = "clip" if columns["clip"] else "actor"
    if not columns[by] or not (columns["fold"] or columns["split"]):
        raise CorpusError(
            f"{path} has the columns {table.column_names}; a file of folds names a clip (clip_id, path or stem) or an"
            " actor, and its fold, its split (train, val, test) or both"
        )
    cells = {kind: table[column].to_pylist() for kind in (by, "fold", "split") if (column := columns[kind])}
    rows = [dict(zip(cells, values, strict=True)) for values in zip(*cells.values(), strict=True)]
    if not rows:
        raise CorpusError(f"{path} has no rows; expected one per clip or actor")
    folds: dict[str, dict[str, Side]] = {}
    for number, row in enumerate(rows, start=2):
        _add(folds, f"{path}, row {number}", by, row)
    if not columns["split"]:
        _check_tested_once(path, by, folds)
    ordered = {fold: folds[fold] for fold in in_order(folds)}
    return FoldFile(path, sha256_of(path), by, ordered, names_sides=bool(columns["split"]))


def _check_tested_once(path: Path, by: str, folds: Mapping[str, Mapping[str, Side]]) -> None:
    fold_of: dict[str, str] = {}
    for fold, sides in folds.items():
        for name in sides:
            if (first := fold_of.setdefault(name, fold)) != fold:
                raise CorpusError(
                    f"{path}: {by} '{name}' is tested in the folds '{first}' and '{fold}'; every {by} is tested once,"
                    " and a table that names the other sides as well has a column 'split'"
                )


def _column(kind: str, names: Sequence[str]) -> str:
    """Find the column of a kind; empty where there is none."""
    by_name = {plain_name(name): name for name in reversed(names)}
    return next((by_name[name] for name in _COLUMNS[kind] if name in by_name), "")


def _add(folds: dict[str, dict[str, Side]], where: str, by: str, row: Mapping[str, Any]) -> None:
    texts = {kind: cell_text(value) for kind, value in row.items()}
    if empty := [kind for kind, text in texts.items() if not text]:
        raise CorpusError(f"{where}: '{empty[0]}' is empty; every row names a {by}, and its place")
    name, fold = texts[by], texts.get("fold", "0")
    side = side_of(texts["split"], where) if "split" in texts else "test"
    first = folds.setdefault(fold, {}).setdefault(name, side)
    if first != side:
        raise CorpusError(f"{where}: {by} '{name}' is in {side} of fold '{fold}', and was in {first} before; keep one")


def side_of(text: str, where: str) -> Side:
    """Understand what a split calls a side.

    Raises
    ------
    CorpusError
        Naming what would be understood.
    """
    side = SIDES.get(text.strip().casefold())
    if side is None:
        raise CorpusError(f"{where}: '{text}' is no side of a split; expected train, val (dev, validation) or test")
    return side


def in_order(names: Collection[str]) -> list[str]:
    """Sort names, numbers among them by their value: 2 before 10."""
    return sorted(names, key=lambda name: (0, int(name), name) if name.isdecimal() else (1, 0, name))
