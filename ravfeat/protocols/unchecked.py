"""Mark protocols of clips of which nobody says who speaks: whether their folds share people cannot be checked.

The mark is a part of the protocol's name, so that every file and every output that names the protocol carries it.
"""

from collections.abc import Iterable
from dataclasses import replace

from ravfeat.manifest import is_unknown
from ravfeat.protocols.groups import FoldClip
from ravfeat.protocols.named import Protocol
from ravfeat.schema import UNCHECKED, is_unchecked

__all__ = ["mark_unchecked", "plain_protocol"]


def mark_unchecked(protocol: Protocol, clips: Iterable[FoldClip]) -> Protocol:
    """Return the protocol under a name that says UNCHECKED where a clip's speaker is unknown; else as it is.

    Parameters
    ----------
    protocol : Protocol
    clips : iterable of FoldClip
        All that are trained or tested on.

    Returns
    -------
    Protocol
        Validation actors and inner folds are drawn as without the mark.
    """
    if is_unchecked(protocol.name) or not any(is_unknown(clip.actor) for clip in clips):
        return protocol
    return replace(protocol, name=f"{protocol.name} {UNCHECKED}", drawn_as=protocol.draw)


def plain_protocol(name: str) -> str:
    """Give a protocol's name without the mark.

    Examples
    --------
    >>> plain_protocol("column:split UNCHECKED")
    'column:split'
    """
    return name.removesuffix(f" {UNCHECKED}")
