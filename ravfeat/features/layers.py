"""Parse layer numbers as people write them: ``last``, ``3``, ``6-12``, ``1,5,9``."""

from collections.abc import Sequence

from ravfeat.errors import UsageError

__all__ = ["parse_layers", "parse_numbers", "spans"]

_LONGEST = 40


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
    return (stored[-1],) if text == "last" else parse_numbers(text, stored, noun="layers", also="'last', ")


def parse_numbers(text: str, allowed: Sequence[int], *, noun: str, also: str = "") -> tuple[int, ...]:
    """Read ``3``, ``6-12`` or ``1,5,9`` as numbers out of an allowed set, each once and sorted.

    Parameters
    ----------
    text : str
    allowed : sequence of int
        Sorted.
    noun, also : str
        For the message: what is counted, and what else would be understood.

    Raises
    ------
    UsageError
    """
    numbers: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        last = last if dash else first
        if len(part) > _LONGEST or not (first.isdecimal() and last.isdecimal()) or int(last) < int(first):
            raise UsageError(f"{noun} '{text}': expected {also}a number, a range like 6-12, or a list like 1,5,9")
        # Before the range is built: '1-9999999999' would fill the memory.
        if outside := {int(first), int(last)} - set(allowed):
            raise UsageError(f"{noun} '{text}': there are {spans(allowed)}, not {spans(sorted(outside))}")
        numbers |= set(range(int(first), int(last) + 1))
    if wrong := sorted(numbers - set(allowed)):
        raise UsageError(f"{noun} '{text}': there are {spans(allowed)}, not {spans(wrong)}")
    return tuple(sorted(numbers))


def spans(layers: Sequence[int]) -> str:
    """Write layer numbers the way they are read: 0-3,7."""
    starts = [layer for layer in layers if layer - 1 not in layers]
    ends = [layer for layer in layers if layer + 1 not in layers]
    return ",".join(str(start) if start == end else f"{start}-{end}" for start, end in zip(starts, ends, strict=True))
