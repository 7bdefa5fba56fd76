"""Ranges of bytes: what is there, what lacks, which neighbours to fetch together."""

from collections.abc import Iterable, Sequence

__all__ = ["Range", "covers", "joined", "united"]

Range = tuple[int, int]
"""First byte, and the one after the last."""


def united(ranges: Iterable[Sequence[int]]) -> list[Range]:
    """Sort ranges and unite those that touch or overlap.

    Examples
    --------
    >>> united([(5, 9), (0, 2), (2, 4)])
    [(0, 4), (5, 9)]
    """
    return joined(ranges, gap=0)


def joined(ranges: Iterable[Sequence[int]], gap: int) -> list[Range]:
    """Sort ranges and join those with at most `gap` bytes between them.

    Examples
    --------
    >>> joined([(0, 2), (5, 9), (20, 30)], gap=3)
    [(0, 9), (20, 30)]
    """
    result: list[Range] = []
    for start, stop in sorted((start, stop) for start, stop in ranges):
        if result and start <= result[-1][1] + gap:
            result[-1] = (result[-1][0], max(result[-1][1], stop))
        else:
            result.append((start, stop))
    return result


def covers(ranges: Sequence[Range], start: int, stop: int) -> bool:
    """Whether one of some united ranges holds another."""
    return start == stop or any(first <= start and stop <= last for first, last in ranges)
