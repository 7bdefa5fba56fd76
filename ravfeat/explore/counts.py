"""Count clips by two columns at once: labels by actors, genders, sessions; who lacks which class."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ravfeat.explore.listing import Listing, natural

__all__ = ["Counts", "Cross", "count", "cross"]


@dataclass(frozen=True)
class Cross:
    """Clips by two columns.

    Attributes
    ----------
    names : (str, str)
        Columns that stand in rows and in columns of the counts.
    rows, columns : tuple of str
        Their values, sorted; the empty text where a cell is empty.
    counts : ndarray of shape (R, C), int64
    """

    names: tuple[str, str]
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: NDArray[np.int64]


@dataclass(frozen=True)
class Counts:
    """What is there.

    Attributes
    ----------
    by_label : mapping of str to int
        Clips of every class, sorted.
    lacking : mapping of str to tuple of str
        Classes that an actor has no clip of, by actor.
    actors_of : mapping of str to int
        Actors who have clips of a class, by class.
    imbalance : float
        Clips of the largest class over those of the smallest.
    genders : mapping of str to int
        Actors by gender; empty text where it is not known.
    crosses : tuple of Cross
        Labels by actors, genders and every further column of few values; then actors by these columns.
    """

    by_label: dict[str, int]
    lacking: dict[str, tuple[str, ...]]
    actors_of: dict[str, int]
    imbalance: float
    genders: dict[str, int]
    crosses: tuple[Cross, ...]


def count(listing: Listing) -> Counts:
    """Count the clips of a corpus.

    Parameters
    ----------
    listing : Listing
    """
    by_label = dict(sorted(Counter(listing.labels).items()))
    actor_label = cross("actor", listing.actors, "label", listing.labels)
    lacking = {
        actor: tuple(label for label, n in zip(actor_label.columns, row, strict=True) if not n)
        for actor, row in zip(actor_label.rows, actor_label.counts.tolist(), strict=True)
    }
    genders: dict[str, str] = {}
    for actor, gender in zip(listing.actors, listing.columns["gender"], strict=True):
        genders[actor] = genders.get(actor) or gender
    others = {"gender": listing.columns["gender"], **listing.groupings}
    crosses = [cross(name, values, "label", listing.labels) for name, values in others.items() if len(set(values)) > 1]
    beside = [cross("actor", listing.actors, name, values) for name, values in listing.groupings.items()]
    return Counts(
        by_label,
        {actor: labels for actor, labels in lacking.items() if labels},
        dict(zip(actor_label.columns, (actor_label.counts > 0).sum(0).tolist(), strict=True)),
        max(by_label.values()) / min(by_label.values()),
        dict(sorted(Counter(genders.values()).items())),
        (actor_label, *crosses, *beside),
    )


def cross(row_name: str, row_values: Sequence[str], column_name: str, column_values: Sequence[str]) -> Cross:
    """Count clips by two columns.

    Examples
    --------
    >>> cross("actor", ["a", "b", "b"], "label", ["sad", "sad", "happy"]).counts
    array([[0, 1],
           [1, 1]])
    """
    rows, columns = (sorted(set(values), key=natural) for values in (row_values, column_values))
    places = {value: place for place, value in enumerate(rows)}, {value: place for place, value in enumerate(columns)}
    counts: defaultdict[tuple[int, int], int] = defaultdict(int)
    for row, column in zip(row_values, column_values, strict=True):
        counts[places[0][row], places[1][column]] += 1
    table = np.zeros((len(rows), len(columns)), np.int64)
    for (row_place, column_place), n in counts.items():
        table[row_place, column_place] = n
    return Cross((row_name, column_name), tuple(rows), tuple(columns), table)
