"""Names of features, such as eGeMAPS': what a shard stores of them, and what the dimensions of a cache are called.

A shard stores the names of the encoder's own dimensions, so that they are the same in all caches that are derived from
one another; a pooled cache has one block of these dimensions for each of its statistics.
"""

from collections.abc import Sequence

__all__ = ["names_problem", "stored_names"]

_MAX_CHARACTERS = 200


def stored_names(names: Sequence[str], statistics: Sequence[str]) -> tuple[str, ...]:
    """Name the last axis of stored features.

    Parameters
    ----------
    names : sequence of str
        Of the encoder's dimensions; may be empty.
    statistics : sequence of str
        That a pooled cache stores one after another; empty where frames are stored.

    Examples
    --------
    >>> stored_names(["loudness", "F0"], ["mean", "std"])
    ('mean of loudness', 'mean of F0', 'std of loudness', 'std of F0')
    """
    if not statistics:
        return tuple(names)
    return tuple(f"{statistic} of {name}" for statistic in statistics for name in names)


def names_problem(names: Sequence[str], dim: int, statistics: Sequence[str] = ()) -> str:
    """Say why these cannot be the names of features; empty where they can, or there are none.

    Parameters
    ----------
    names : sequence of str
    dim : int
        Stored width of the features.
    statistics : sequence of str
    """
    if not names:
        return ""
    if len(names) * max(len(statistics), 1) != dim:
        return f"it has {len(names)} names of features, expected {dim // max(len(statistics), 1)}"
    if wrong := [name for name in names if not name.strip() or not name.isprintable() or len(name) > _MAX_CHARACTERS]:
        return f"a feature has the name {wrong[0][:60]!a}, expected at most {_MAX_CHARACTERS} printable characters"
    if len(set(names)) < len(names):
        return "two features have one name: " + repr(next(name for name in names if list(names).count(name) > 1))
    return ""
