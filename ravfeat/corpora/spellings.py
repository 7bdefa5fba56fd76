"""Refuse one name in two spellings (3 and 03, Happy and happy), and words that stand for an empty cell (nan, None).

A person in two spellings is two actors to every fold, and the same voice is then trained and tested on.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Protocol

from ravfeat.errors import CorpusError
from ravfeat.escape import is_printable

__all__ = ["NamedClip", "check_clips", "check_names", "spelling_key"]

_NOTHING = frozenset(
    {
        "nan", "-nan", "none", "null", "nil", "nat", "na", "n/a", "n.a.", "#n/a", "#na", "#n/a n/a", "<na>", "<n/a>",
        "<none>", "<null>", "<nan>", "(null)", "(none)", "undefined", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan",
    }
)  # fmt: skip
"""What pandas, R, spreadsheets and databases write for an empty cell, in lower case."""

# Zeros after a decimal point are no leading zeros: 1.05 is not 1.5.
_LEADING_ZEROS = re.compile(r"(?<!\d)(?<!\d\.)0+(?=\d)")
_WHOLE = re.compile(r"([+-]?\d+)\.0*")
_SHOWN = 5


class NamedClip(Protocol):
    """A clip of a manifest or a cache."""

    @property
    def clip_id(self) -> str:
        """Unique within the corpus."""

    @property
    def performance_id(self) -> str:
        """The clip's id where the table names no performance."""

    @property
    def actor(self) -> str:
        """With the corpus in front."""

    @property
    def label(self) -> str:
        """One of the classes."""


def check_clips(where: str, clips: Collection[NamedClip], as_written: Collection[str] = ()) -> None:
    """Refuse actors, labels and performances of which one has two spellings or stands for an empty cell.

    Parameters
    ----------
    where : str
        The table or cache, for messages.
    clips : collection of NamedClip
    as_written : collection of str
        See `check_names`; actors without the corpus in front.

    Raises
    ------
    CorpusError
    """
    check_names(where, "actor", (clip.actor.partition(":")[2] or clip.actor for clip in clips), as_written)
    check_names(where, "label", (clip.label for clip in clips), as_written)
    # Where every clip is a performance of its own, ids are files' names: 1.wav and 01.wav are two files.
    if any(clip.performance_id != clip.clip_id for clip in clips):
        check_names(where, "performance", (clip.performance_id for clip in clips), as_written)


def check_names(where: str, kind: str, names: Iterable[str], as_written: Collection[str] = ()) -> None:
    """Refuse names that differ in case, spaces, leading zeros or Unicode form only, and words for an empty cell.

    Control characters are refused too: a name of a table is printed in many places.

    Parameters
    ----------
    where : str
        The table or cache, for messages.
    kind : str
        What the names are, such as ``actor``.
    names : iterable of str
        The name of every clip; empty ones are not looked at.
    as_written : collection of str
        Names that are meant as they are written, and compared with no other.

    Raises
    ------
    CorpusError
        Naming the spellings and the number of clips of each.
    """
    counts = Counter(names)
    spellings: dict[str, list[str]] = {}
    for name in counts.keys() - {"", *as_written}:
        spellings.setdefault(spelling_key(name), []).append(name)
    if words := sorted(name for key in _NOTHING & spellings.keys() for name in spellings[key]):
        raise CorpusError(
            f"{where}: {kind} is {_listed(words, counts)}, which is how programs write an empty cell. Fill in the"
            f" {kind}, or drop these rows; if it really is a name: --as-written '{words[0]}'"
        )
    clashes = sorted((sorted(group) for group in spellings.values() if len(group) > 1), key=lambda group: group[0])
    if clashes:
        more = f", and {len(clashes) - _SHOWN} more such names" if len(clashes) > _SHOWN else ""
        listing = "; ".join(" and ".join(_listed([name], counts) for name in group) for group in clashes[:_SHOWN])
        raise CorpusError(
            f"{where} has one {kind} in several spellings: {listing}{more}. Write every {kind} in one way; if they are"
            f" different {kind}s: --as-written '{clashes[0][0]}'"
        )
    if odd := sorted(name for name in counts if not is_printable(name)):
        raise CorpusError(f"{where}: {kind} is {_listed(odd[:1], counts)} and holds control characters; rename it")


def spelling_key(name: str) -> str:
    """Return what all spellings of a name have in common.

    Examples
    --------
    >>> spelling_key(" Spk03"), spelling_key("SPK3 "), spelling_key("3.0"), spelling_key("1.05")
    ('spk3', 'spk3', '3', '1.05')
    """
    text = name.casefold()
    if not (text.isascii() and text.isprintable()):
        # Case folding can undo the form, so it is made again.
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    text = " ".join(text.split())
    # Marks of direction, joiners and the like show nothing.
    text = "".join(
        letter for letter in text if letter.isprintable() or unicodedata.category(letter) not in {"Cf", "Cc"}
    )
    if whole := _WHOLE.fullmatch(text):  # a column that went through floats says 3.0
        text = whole[1]
    return _LEADING_ZEROS.sub("", text).strip()


def _listed(names: Iterable[str], counts: Counter[str]) -> str:
    return " and ".join(f"{name!r} ({counts[name]} clip{'s' * (counts[name] != 1)})" for name in names)
