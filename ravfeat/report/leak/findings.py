"""The leak gap: the same system under a clip split and under actor-disjoint folds."""

from collections.abc import Sequence
from dataclasses import dataclass

from ravfeat.errors import PredictionsError
from ravfeat.report.graded import Graded
from ravfeat.stats import Averaging, Difference, Pairing

__all__ = ["GAP_ROWS", "LeakGap", "leak_gaps"]

GAP_ROWS: tuple[tuple[str, Averaging], ...] = (
    ("uar", "pooled"),
    ("uar", "fold_mean"),
    ("wa", "pooled"),
    ("wa", "fold_mean"),
)


@dataclass(frozen=True)
class LeakGap:
    """A LEAKY and an honest score of one system.

    Attributes
    ----------
    differences : tuple of Difference
        LEAKY minus honest, one per entry of `GAP_ROWS`; empty where they cannot be compared.
    problem : str
        Why they cannot be compared, else empty.
    """

    leaky: Graded
    honest: Graded
    differences: tuple[Difference, ...]
    problem: str


def leak_gaps(graded: Sequence[Graded]) -> list[LeakGap]:
    """Pair every LEAKY system with its actor-disjoint twins.

    Twins share stream, features, head, its settings, the cache's fingerprint and the number of seeds; what
    was fused, the same of all members, and the rule. Those selected in the same way are preferred, and only
    where there are none does another selection stand in. Mixtures that were not chosen have no gap.
    """
    gaps = []
    for leaky in (entry for entry in graded if entry.leaky and entry.role != "alternative"):
        twins = [entry for entry in graded if not entry.leaky and _alike(entry, leaky)]
        alike = [twin for twin in twins if twin.select == leaky.select]
        gaps += [_gap(leaky, twin) for twin in alike or twins]
    return gaps


def _alike(honest: Graded, leaky: Graded) -> bool:
    return (
        honest.across is None  # training on another corpus differs in more than the split
        and honest.system == leaky.system
        and honest.training == leaky.training
        and honest.probs.seeds == leaky.probs.seeds
        and honest.probs.classes == leaky.probs.classes
    )


def _gap(leaky: Graded, honest: Graded) -> LeakGap:
    try:
        pairing = Pairing(leaky.compared, honest.compared)
        differences = tuple(pairing.difference(*row) for row in GAP_ROWS)
    except PredictionsError as error:
        return LeakGap(leaky, honest, (), str(error))
    return LeakGap(leaky, honest, differences, "")
