"""Name the protocols: which actors are tested in which fold, as published.

Facts only; `ravfeat.protocols.folds` turns them into rows and checks them. Odd RAVDESS actors are men, even
ones women; every protocol tests each actor exactly once.

Sources
-------
``ravdess6``: the six folds of the study that ravfeat reproduces, validation groups included.
``emobox6``: Ma et al. (2024), EmoBox, arXiv:2406.07162. ``luna5``: Luna-Jiménez et al. (2021), Sensors
21(22):7665. ``hicmae6``: Sun et al. (2024), HiCMAE, arXiv:2401.05698.
"""

import re
from dataclasses import dataclass

from ravfeat.errors import UsageError

__all__ = ["FIXED", "Protocol", "get_protocol", "protocol_names"]

Groups = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Protocol:
    """Who is tested when.

    Attributes
    ----------
    name : str
    test : tuple of tuple of int
        Actor numbers of every test group; empty where groups are made from the data.
    val : tuple of tuple of int
        Validation groups; empty where none is published, and they are drawn.
    per_gender : int
        Men, and as many women, in every test and validation group; 0 where groups are not balanced.
    n_folds : int
        Of a protocol whose groups are made from the data.
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


FIXED: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "ravdess6",
            test=((11, 12, 15, 16), (5, 6, 17, 20), (13, 14, 19, 22), (7, 10, 18, 23), (1, 4, 8, 9), (2, 3, 21, 24)),
            val=((1, 2, 3, 4), (3, 4, 7, 8), (5, 6, 7, 8), (8, 9, 11, 12), (13, 14, 15, 16), (13, 14, 15, 16)),
            per_gender=2,
        ),
        Protocol(
            "emobox6",
            test=((1, 11, 20, 21), (4, 10, 12, 14), (8, 9, 19, 23), (3, 5, 7, 24), (2, 15, 16, 18), (6, 13, 17, 22)),
        ),
        Protocol(
            "luna5",
            test=((2, 5, 14, 15, 16), (3, 6, 7, 13, 18), (10, 11, 12, 19, 20), (8, 17, 21, 23, 24), (1, 4, 9, 22)),
        ),
        Protocol("hicmae6", test=tuple(tuple(range(first, first + 4)) for first in range(1, 25, 4))),
        Protocol("loso24", test=tuple((actor,) for actor in range(1, 25)), always_nested=True),
        Protocol("clip6", n_folds=6, leaky=True),
    )
}
"""Protocols with a name of their own; ``groupK`` is made on demand."""

_GROUP = re.compile(r"group(\d+)")


def protocol_names() -> str:
    """Give the choices, for messages and help."""
    return ", ".join([*FIXED, "groupK (group5, group10 …)"])


def get_protocol(name: str) -> Protocol:
    """Look up a protocol.

    Raises
    ------
    UsageError
        Where there is none of that name.
    """
    if name in FIXED:
        return FIXED[name]
    match = _GROUP.fullmatch(name)
    if match and int(match[1]) >= 2:
        return Protocol(name, n_folds=int(match[1]))
    raise UsageError(f"no protocol '{name}'; choose from {protocol_names()}")
