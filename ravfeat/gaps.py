"""Who lacks what, in words.

Offers
------
say_gaps.
"""

from collections.abc import Collection, Sequence

__all__ = ["say_gaps"]


def say_gaps(names: Sequence[object], have: Sequence[Collection[str]], shown: int = 3) -> str:
    """List, a line each, those that lack something which another has: how much, and the first of it.

    Parameters
    ----------
    names : sequence
        What to call each of them.
    have : sequence of collection of str
        What each of them has.
    shown : int
        How many of the lacking to name.

    Examples
    --------
    >>> say_gaps(["voice", "face"], [{"a", "b"}, {"b"}])
    '  face lacks 1 of 2: a'
    """
    sets = [set(own) for own in have]
    every = sorted(set().union(*sets))
    lines = []
    for name, own in zip(names, sets, strict=True):
        lacking = [one for one in every if one not in own]
        if lacking:
            more = f" and {len(lacking) - shown} more" if len(lacking) > shown else ""
            lines.append(f"  {name} lacks {len(lacking)} of {len(every)}: {', '.join(lacking[:shown])}{more}")
    return "\n".join(lines)
