"""How likely a count is by chance: tails of the binomial distribution, for thresholds that small corpora share."""

from math import comb

__all__ = ["at_least", "at_most"]


def at_least(hits: int, n: int, p: float) -> float:
    """Give the probability of at least so many hits in n tries.

    Examples
    --------
    >>> at_least(2, 2, 0.5)
    0.25
    """
    return sum(comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(hits, n + 1))


def at_most(hits: int, n: int, p: float) -> float:
    """Give the probability of at most so many hits in n tries.

    Examples
    --------
    >>> at_most(0, 2, 0.5)
    0.25
    """
    return at_least(n - hits, n, 1 - p)
