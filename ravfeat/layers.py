"""Layer numbers as people write them.

Offers
------
parse_layers.
"""

from collections.abc import Sequence

from ravfeat.errors import UsageError

__all__ = ["parse_layers"]


def parse_layers(text: str | None, stored: Sequence[int]) -> tuple[int, ...] | None:
    """Read ``last``, ``3``, ``6-12`` or ``1,5,9`` as layer numbers.

    Parameters
    ----------
    text : str or None
        None stays None: all layers, or those a head chooses.
    stored : sequence of int
        The layers there are.

    Raises
    ------
    UsageError
        Where it is none of these, or names a layer that is not there.

    Examples
    --------
    >>> parse_layers("1,3-5", range(25))
    (1, 3, 4, 5)
    """
    if text is None:
        return None
    if text == "last":
        return (stored[-1],)
    layers: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UsageError(f"layers '{text}': expected 'last', a number, a range like 6-12, or a list like 1,5,9")
        layers += range(int(first), int(last if dash else first) + 1)
    wrong = sorted(set(layers) - set(stored))
    if wrong or not layers:
        raise UsageError(f"layers '{text}': there are the layers {stored[0]} to {stored[-1]}, not {wrong or 'none'}")
    return tuple(sorted(set(layers)))
