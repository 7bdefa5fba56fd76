"""Name the protocols: published groups of actors, rules for any corpus, columns and files that say who is tested.

Facts only; `ravfeat.protocols.folds` turns them into rows and checks them. Odd RAVDESS actors are men, even
ones women; every published protocol tests each actor exactly once.

Sources
-------
``ravdess6``: the six folds of the study that ravfeat reproduces, validation groups included.
``emobox6``: Ma et al. (2024), EmoBox, arXiv:2406.07162. ``luna5``: Luna-Jiménez et al. (2021), Sensors
21(22):7665. ``hicmae6``: Sun et al. (2024), HiCMAE, arXiv:2401.05698.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ravfeat.errors import UsageError
from ravfeat.escape import is_printable
from ravfeat.protocols.fold_file import FoldFile, read_fold_file
from ravfeat.short_repr import short_repr

__all__ = ["FIXED", "Protocol", "fold_file_of", "get_protocol", "protocol_names"]

Groups = tuple[tuple[int, ...], ...]

Kind = Literal["published", "groups", "actors", "clips", "values", "sides", "file"]
"""How folds come about: published groups of actors; groups that are dealt; every actor a fold; clips at random (LEAKY);
values of a column; a column, or a file, that says on which side each clip is."""

_LONGEST = 200


@short_repr
@dataclass(frozen=True)
class Protocol:
    """Who is tested when.

    Attributes
    ----------
    name : str
    test : tuple of tuple of int
        Actor numbers of every published test group.
    val : tuple of tuple of int
        Validation groups; empty where none is published, and they are drawn.
    per_gender : int
        Men, and as many women, in every test and validation group; 0 where groups are not balanced.
    n_folds : int
        Of a protocol whose groups are made from the data; 0 where each actor, or each value of a column, is one.
    kind : str
        How folds come about, see `Kind`.
    column : str
        Whose values are tested one after the other (``values``), or say on which side clips are (``sides``).
    file : FoldFile or None
    drawn_as : str
        Name that validation actors and inner folds are drawn by, where it is not the protocol's.
    leaky : bool
        Whether actors may be on two sides. Every output that carries such a number says LEAKY.
    always_nested : bool
        Whether selection is nested whatever is asked for.
    """

    name: str
    test: Groups = ()
    val: Groups = ()
    per_gender: int = 0
    n_folds: int = 0
    leaky: bool = False
    always_nested: bool = False
    kind: Kind = "groups"
    column: str = ""
    file: FoldFile | None = None
    drawn_as: str = ""

    @property
    def draw(self) -> str:
        """What chance draws by: equal names draw equal actors."""
        return self.drawn_as or self.name

    @property
    def given(self) -> bool:
        """Whether somebody else said who is tested, so that it may leak: a column or a file."""
        return self.kind in ("values", "sides", "file")

    @property
    def tests_all(self) -> bool:
        """Whether every clip is tested; an official split has clips that only train or validate."""
        return self.kind != "sides" and not (self.file is not None and self.file.names_sides)


FIXED: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "ravdess6",
            test=((11, 12, 15, 16), (5, 6, 17, 20), (13, 14, 19, 22), (7, 10, 18, 23), (1, 4, 8, 9), (2, 3, 21, 24)),
            val=((1, 2, 3, 4), (3, 4, 7, 8), (5, 6, 7, 8), (8, 9, 11, 12), (13, 14, 15, 16), (13, 14, 15, 16)),
            per_gender=2,
            kind="published",
        ),
        Protocol(
            "emobox6",
            test=((1, 11, 20, 21), (4, 10, 12, 14), (8, 9, 19, 23), (3, 5, 7, 24), (2, 15, 16, 18), (6, 13, 17, 22)),
            kind="published",
        ),
        Protocol(
            "luna5",
            test=((2, 5, 14, 15, 16), (3, 6, 7, 13, 18), (10, 11, 12, 19, 20), (8, 17, 21, 23, 24), (1, 4, 9, 22)),
            kind="published",
        ),
        Protocol("hicmae6", test=tuple(tuple(range(first, first + 4)) for first in range(1, 25, 4)), kind="published"),
        Protocol("loso24", test=tuple((actor,) for actor in range(1, 25)), always_nested=True, kind="published"),
        Protocol("clip6", n_folds=6, leaky=True, kind="clips"),
    )
}
"""Protocols with a name of their own; the others are made on demand."""

_GROUP = re.compile(r"group(\d{1,6})")
_RANDOM = re.compile(r"random(\d{1,6})")
_VALUES = re.compile(r"group(\d{0,6}):(.+)")
_SIDES = re.compile(r"column:(.+)")
_FILE = re.compile(r".*\.(csv|tsv|txt|parquet|pq|(jsonl|ndjson)(\.gz)?)", re.IGNORECASE)


def protocol_names() -> str:
    """Give the choices, for messages and help."""
    rules = ("loso", "groupK (group5, group10 …)", "group:COLUMN", "groupK:COLUMN", "column:COLUMN", "randomK (LEAKY)")
    return ", ".join([*FIXED, *rules, "or a FILE of folds (.csv, .parquet, .jsonl)"])


def get_protocol(name: str) -> Protocol:
    """Look up a protocol by its name, or read the file of folds that is named.

    Raises
    ------
    UsageError
        Where there is none of that name.
    CorpusError
        Where a file of folds cannot be read as such.
    """
    if name in FIXED:
        return FIXED[name]
    if len(name) <= _LONGEST and is_printable(name):
        protocol = _by_rule(name)
        if protocol is not None:
            return protocol
        if path := fold_file_of(name):
            file = read_fold_file(path)
            # Drawn by what the file says: under another name the same validation actors are drawn.
            return Protocol(file.name, kind="file", file=file, drawn_as=file.sha256)
    raise UsageError(f"no protocol '{name[:_LONGEST]}'; choose from {protocol_names()}")


def fold_file_of(name: str) -> Path | None:
    """Give the file of folds that a protocol's name is the path of; None where it is a name."""
    if name in FIXED or _by_rule(name) is not None:
        return None
    return Path(name) if _FILE.fullmatch(name) or os.sep in name else None


def _by_rule(name: str) -> Protocol | None:
    if name == "loso":
        # Drawn as loso24 is, so that both are one protocol on RAVDESS.
        return Protocol(name, kind="actors", always_nested=True, drawn_as="loso24")
    if (match := _GROUP.fullmatch(name)) and int(match[1]) >= 2:
        return Protocol(name, n_folds=int(match[1]))
    if (match := _RANDOM.fullmatch(name)) and int(match[1]) >= 3:  # a part each to train, validate and test
        return Protocol(name, n_folds=int(match[1]), leaky=True, kind="clips")
    if (match := _VALUES.fullmatch(name)) and match[1] not in ("0", "1"):
        return Protocol(name, n_folds=int(match[1] or 0), kind="values", column=match[2].strip("`"))
    if match := _SIDES.fullmatch(name):
        return Protocol(name, kind="sides", column=match[1].strip("`"))
    return None
