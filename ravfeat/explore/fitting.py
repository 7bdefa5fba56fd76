"""Try which protocols fit a corpus, before any feature is there: folds are made and checked as training would."""

from collections.abc import Iterator
from dataclasses import dataclass

from ravfeat.errors import ProtocolError, UsageError
from ravfeat.explore.doubts import times
from ravfeat.explore.listing import Listing
from ravfeat.protocols.folds import make_folds
from ravfeat.protocols.named import FIXED, get_protocol

__all__ = ["Fit", "fitting"]

_MOST_GROUPS = 20_000_000
"""Clips times actors beyond which leaving one actor out at a time is not tried: it takes minutes."""


@dataclass(frozen=True)
class Fit:
    """Whether a protocol fits.

    Attributes
    ----------
    protocol : str
    fits : bool
    words : str
        Folds and what each tests, or why not.
    """

    protocol: str
    fits: bool
    words: str


def fitting(listing: Listing) -> tuple[Fit, ...]:
    """Make the folds of every protocol that could be meant for a corpus.

    Published folds of actor numbers are listed where they fit; clip splits, which are LEAKY, are not tried.
    """
    tried = [_try(listing, name) for name in _names(listing)]
    fixed = [_try(listing, name) for name, protocol in FIXED.items() if protocol.test]
    return tuple(fit for fit in (*tried, *(fit for fit in fixed if fit and fit.fits)) if fit is not None)


def _names(listing: Listing) -> Iterator[str]:
    n_actors = len(set(listing.actors))
    if n_actors * len(listing) < _MOST_GROUPS:
        yield "loso"
    for n in (5, 10):
        if n <= max(5, n_actors):
            yield f"group{n}"
    for name in listing.groupings:
        if {value.casefold() for value in listing.columns[name] if value} & {"train", "training"}:
            yield f"column:{name}"
        elif _keeps_actors(listing, name):
            yield f"group:{name}"


def _keeps_actors(listing: Listing, name: str) -> bool:
    """Whether all clips of an actor have one value of a column, or nearly: a statement that everybody says is none."""
    places = set(zip(listing.actors, listing.columns[name], strict=True))
    return len(places) <= 1.2 * len(set(listing.actors))


def _try(listing: Listing, name: str) -> Fit | None:
    try:
        folds = make_folds(get_protocol(name), listing.records)
    except ProtocolError as error:
        return Fit(name, fits=False, words=str(error))
    except UsageError:  # a name that is none: a column cannot always be one
        return None
    actors = sorted({len({listing.records[row].actor for row in fold.test}) for fold in folds})
    spread = f"{actors[0]}" if len(actors) == 1 else f"{actors[0]} to {actors[-1]}"
    tested = f"{spread} actor" if actors == [1] else f"{spread} actors"
    return Fit(name, fits=True, words=f"{times(len(folds), 'fold')} that test {tested} each")
