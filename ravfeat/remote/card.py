"""The card of a published cache, as far as a reader needs it: its text, and the licence in its front matter."""

import re

from ravfeat.escape import is_printable
from ravfeat.remote.base import MissingFileError, Store

__all__ = ["README_FILE", "licence_of_card", "read_card"]

README_FILE = "README.md"
_LIMIT = 4 << 20
_FRONT = re.compile(r"---\n(.*?)\n---\n", re.DOTALL)
_LICENCE = re.compile(r"^license: *[\"']?([\w.+-]{1,80})[\"']? *$", re.MULTILINE)


def read_card(store: Store, name: str = README_FILE) -> bytes:
    """Read a card of a store; empty where there is none.

    Raises
    ------
    RemoteError
        Where it cannot be read, or is larger than 4 MB.
    """
    try:
        return store.read_whole(name, _LIMIT)
    except MissingFileError:
        return b""


def licence_of_card(card: bytes) -> str:
    """Return the licence that a card's front matter names; empty where it names none."""
    front = _FRONT.match(card.decode("utf-8", "replace").replace("\r\n", "\n"))
    licence = _LICENCE.search(front[1]) if front else None
    return licence[1] if licence and is_printable(licence[1]) else ""
