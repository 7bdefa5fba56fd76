"""Actors in the val and test rows of every fold: leak check, protocol, selection."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ravfeat.manifest import actor_number
from ravfeat.predictions import CROSSFIT
from ravfeat.protocols.named import FIXED

__all__ = ["FoldActors", "protocol_of", "select_of"]

_RAVDESS = ("ravdess:", "synth:")  # corpora whose actors have the numbers that protocols name


@dataclass(frozen=True)
class FoldActors:
    """The actors of every fold.

    Attributes
    ----------
    test, val : mapping of int to frozenset of str
        By fold, ascending; only folds that have such rows.
    """

    test: Mapping[int, frozenset[str]]
    val: Mapping[int, frozenset[str]]

    @classmethod
    def of(cls, rows: Iterable[tuple[int, str, str]]) -> "FoldActors":
        """Sort (fold, split, actor) of all rows."""
        sides: dict[str, dict[int, set[str]]] = {"test": {}, "val": {}}
        for fold, split, actor in sorted(set(rows)):
            sides[split].setdefault(fold, set()).add(actor)
        test, val = ({fold: frozenset(actors) for fold, actors in sides[split].items()} for split in ("test", "val"))
        return cls(test, val)

    @property
    def leak(self) -> str:
        """An actor on two sides and where, as a clause; empty where nobody is."""
        for actor in sorted(frozenset().union(*self.test.values())):
            folds = [fold for fold, actors in self.test.items() if actor in actors]
            if len(folds) > 1:
                listing = ", ".join(map(str, folds[:-1]))
                return f"actor '{actor}' is tested in the folds {listing} and {folds[-1]}"
        for fold, actors in self.test.items():
            if both := sorted(actors & self.val.get(fold, frozenset())):
                return f"actor '{both[0]}' is in val and in test of fold {fold}"
        return ""


def protocol_of(sides: FoldActors, of_runs: Mapping[str, FoldActors]) -> str:
    """Name the protocol whose folds test these actors.

    Parameters
    ----------
    sides : FoldActors
    of_runs : mapping of str to FoldActors
        Of runs that the scores are to be fused with, by protocol.

    Returns
    -------
    str
        A protocol with published groups, compared by the numbers of RAVDESS actors; else that of a run with the very
        same actors; else ``givenN`` for N folds. The order of the folds does not matter.
    """
    groups = frozenset(sides.test.values())
    numbers = [sorted(actor_number(actor) or 0 for actor in actors) for actors in sides.test.values()]
    ravdess = all(actor.startswith(_RAVDESS) for actors in groups for actor in actors)
    for name, protocol in FIXED.items() if ravdess else ():
        if protocol.test and sorted(numbers) == sorted(map(sorted, protocol.test)):
            return name
    for name, other in of_runs.items():
        if len(other.test) == len(sides.test) and frozenset(other.test.values()) == groups:
            return name
    return f"given{len(sides.test)}"


def select_of(sides: FoldActors) -> str:
    """Say whose rows choose: ``nested`` where everybody who is not tested is in val, as inner folds leave them.

    Returns
    -------
    {"val", "nested", "crossfit"}
        The last where there are no val rows.
    """
    if not sides.val:
        return CROSSFIT
    everybody = frozenset().union(*sides.test.values())
    nested = all(actors | sides.val.get(fold, frozenset()) == everybody for fold, actors in sides.test.items())
    return "nested" if nested else "val"
