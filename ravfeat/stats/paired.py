"""Two systems on the same performances.

Offers
------
paired_difference, Difference.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np

from ravfeat.errors import PredictionsError
from ravfeat.predictions import SystemProbs
from ravfeat.stats.intervals import draw_actors, percentiles
from ravfeat.stats.sums import AVERAGINGS, METRICS, Averaging, Sums

__all__ = ["Difference", "paired_difference"]


@dataclass(frozen=True)
class Difference:
    """Score of `a` minus score of `b` on the same performances, with a paired interval.

    Attributes
    ----------
    value_a, value_b, value : float
    ci_low, ci_high : float
        95 % interval of the difference; each draw uses the same actors on both sides.
    n : int
        Number of performances.
    """

    metric: str
    averaging: Averaging
    value_a: float
    value_b: float
    value: float
    ci_low: float
    ci_high: float
    n: int


def paired_difference(
    a: SystemProbs, b: SystemProbs, metric: str = "uar", averaging: Averaging = "pooled"
) -> Difference:
    """Compare two systems on the same performances.

    Rows are joined by performance id; folds may differ (that is what the leak gap compares).
    With ``fold_mean`` each side is averaged over its own folds.

    Raises
    ------
    PredictionsError
        Unknown metric, other classes, different sets of performances, a performance twice, or
        a performance with another actor or label on the other side.
    """
    if metric not in METRICS or averaging not in AVERAGINGS:
        raise PredictionsError(
            f"no metric '{metric}' with averaging '{averaging}'; "
            f"choose from {', '.join(METRICS)} and {', '.join(AVERAGINGS)}"
        )
    _check_pairs(a, b)
    actors = np.unique(a.actors)
    sums_a, sums_b = Sums.of(a, actors), Sums.of(b, actors)
    draws, whole = draw_actors(len(actors)), np.ones((1, len(actors)))
    gaps = sums_a.scores(draws, averaging)[metric] - sums_b.scores(draws, averaging)[metric]
    value_a = float(sums_a.scores(whole, averaging)[metric][0])
    value_b = float(sums_b.scores(whole, averaging)[metric][0])
    low, high = percentiles(gaps)
    return Difference(metric, averaging, value_a, value_b, value_a - value_b, low, high, len(a))


def _check_pairs(a: SystemProbs, b: SystemProbs) -> None:
    if a.classes != b.classes:
        raise PredictionsError(
            f"the systems cannot be compared: classes differ, {list(a.classes)} and {list(b.classes)}"
        )
    sides = [_facts(a), _facts(b)]
    if sides[0].keys() != sides[1].keys():
        only_a = sorted(sides[0].keys() - sides[1].keys())
        only_b = sorted(sides[1].keys() - sides[0].keys())
        raise PredictionsError(
            f"the systems cannot be compared: {len(only_a)} performances only on the first side {only_a[:3]}, "
            f"{len(only_b)} only on the second {only_b[:3]}; score both on the same clips"
        )
    for performance, facts in sides[0].items():
        if facts != sides[1][performance]:
            raise PredictionsError(
                f"the systems cannot be compared: performance {performance} has actor and label {facts} "
                f"on the first side, {sides[1][performance]} on the second"
            )


def _facts(probs: SystemProbs) -> dict[str, tuple[str, str]]:
    labels = [probs.classes[k] for k in probs.y]
    facts = dict(zip(probs.performance_ids, zip(probs.actors, labels, strict=True), strict=True))
    if len(facts) < len(probs):
        raise PredictionsError(
            f"the systems cannot be compared: {len(probs) - len(facts)} performances stand twice on one side"
        )
    return cast("dict[str, tuple[str, str]]", facts)
