"""Pairs of clips that are one recording: the same samples under two ids, or nearly the same sound or features."""

from collections import defaultdict
from dataclasses import dataclass

from ravfeat.explore.doubts import Doubt, times
from ravfeat.explore.listing import Listing

__all__ = ["Pair", "equal_pairs", "pair_doubts"]


@dataclass(frozen=True)
class Pair:
    """Two clips that may be one recording.

    Attributes
    ----------
    a, b : str
        Ids of the clips, sorted.
    similarity : float
        1 for the same samples.
    how : str
        What was compared: ``samples``, ``sound``, or the name of features.
    actors, labels : (str, str)
        Of both.
    """

    a: str
    b: str
    similarity: float
    how: str
    actors: tuple[str, str]
    labels: tuple[str, str]

    @property
    def crosses(self) -> tuple[str, ...]:
        """What differs: ``actor``, ``label``."""
        sides = (("actor", self.actors), ("label", self.labels))
        return tuple(name for name, (a, b) in sides if a != b)


def equal_pairs(listing: Listing) -> tuple[Pair, ...]:
    """Find clips that were decoded to the same samples; of three of them the first is paired with both others."""
    rows_of: defaultdict[str, list[int]] = defaultdict(list)
    for row, digest in enumerate(listing.digests):
        if digest:
            rows_of[digest].append(row)
    return tuple(pair_of(listing, rows[0], other, 1.0, "samples") for rows in rows_of.values() for other in rows[1:])


def pair_of(listing: Listing, a: int, b: int, similarity: float, how: str) -> Pair:
    """Make a pair of two rows."""
    a, b = sorted((a, b))
    ids, actors, labels = listing.columns["clip_id"], listing.actors, listing.labels
    return Pair(ids[a], ids[b], similarity, how, (actors[a], actors[b]), (labels[a], labels[b]))


def pair_doubts(pairs: tuple[Pair, ...]) -> tuple[Doubt, ...]:
    """Say what pairs mean for scores."""
    found = []
    for words, equal in (("the same recording", True), ("nearly the same recording", False)):
        some = [pair for pair in pairs if (pair.how == "samples") is equal]
        across = [pair for pair in some if "actor" in pair.crosses]
        relabelled = [pair for pair in some if "label" in pair.crosses]
        if some:
            found.append(Doubt("recording", f"{_pairs(some)} {words}", _ids(some)))
        if across:
            sentence = f"{_pairs(across)} {words} under two actors: folds would train on what they test"
            found.append(Doubt("recording", sentence, _ids(across), grave=True))
        if relabelled:
            sentence = f"{_pairs(relabelled)} {words} with two labels: at least one label is wrong"
            found.append(Doubt("recording", sentence, _ids(relabelled), grave=True))
    return tuple(found)


def _pairs(pairs: list[Pair]) -> str:
    return f"{times(len(pairs), 'pair')} of clips {'is' if len(pairs) == 1 else 'are'}"


def _ids(pairs: list[Pair]) -> tuple[str, ...]:
    return tuple(f"{pair.a} = {pair.b}" for pair in pairs)
