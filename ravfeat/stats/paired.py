"""Paired difference of two systems on the same performances: interval and p-value over actors."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import PredictionsError
from ravfeat.predictions import SystemProbs
from ravfeat.stats.jackknife import difference_interval, standard_error, without_each
from ravfeat.stats.permutation import swap_p_values
from ravfeat.stats.sums import AVERAGINGS, METRICS, Averaging, Sums

__all__ = ["Compared", "Difference", "Pairing", "paired_difference"]


@dataclass(frozen=True)
class Difference:
    """Score of `a` minus score of `b` on the same performances, with a paired interval.

    Attributes
    ----------
    value_a, value_b, value : float
    ci_low, ci_high : float
        95 % interval of the difference over actors, each of whom is left out on both sides at once.
    n : int
        Number of performances.
    p : float or None
        Two-sided p-value of the pooled difference: how often swapping the two systems for some of the
        actors gives one as large; see `ravfeat.stats.permutation`. None for ``fold_mean`` and for ECE.
    """

    metric: str
    averaging: Averaging
    value_a: float
    value_b: float
    value: float
    ci_low: float
    ci_high: float
    n: int
    p: float | None = None


@dataclass(frozen=True)
class Compared:
    """A system prepared for comparison: its scores over all actors, and without each of them."""

    probs: SystemProbs

    @cached_property
    def actors(self) -> NDArray[Any]:
        """Names of the actors, sorted."""
        return np.unique(self.probs.actors)

    @cached_property
    def sums(self) -> Sums:
        """What its clips add up to."""
        return Sums.of(self.probs, self.actors)

    @cached_property
    def facts(self) -> dict[str, tuple[str, str]]:
        """Actor and label of every performance; of every clip where a performance is several."""
        labels = [self.probs.classes[k] for k in self.probs.y]
        names, clips = self.probs.performance_ids, self.probs.clip_ids
        # Where performances are several clips, they cannot be the key: their clips would fall into one.
        key = names if len(set(names)) == len(names) else clips
        facts = dict(zip(key, zip(self.probs.actors, labels, strict=True), strict=True))
        if len(facts) < len(self.probs):
            raise PredictionsError(
                f"the systems cannot be compared: {len(self.probs) - len(facts)} clips stand twice on one side"
            )
        return cast("dict[str, tuple[str, str]]", facts)

    @cached_property
    def scores(self) -> dict[Averaging, dict[str, NDArray[np.float64]]]:
        """Its scores over all actors, then without each of them in order, each of shape (1 + A,)."""
        weights = without_each(len(self.actors))
        return {averaging: self.sums.scores(weights, averaging) for averaging in AVERAGINGS}


class Pairing:
    """Two systems on the same performances, checked.

    Parameters
    ----------
    a, b : Compared

    Raises
    ------
    PredictionsError
        Other classes, different sets of performances, a clip twice, or a performance with another
        actor or label on the other side.
    """

    def __init__(self, a: Compared, b: Compared) -> None:
        _check_pairs(a, b)
        self._a, self._b = a, b

    @cached_property
    def _p_values(self) -> dict[str, float]:
        # All metrics come from the same swaps, so they are drawn once for a pair.
        return swap_p_values(self._a.sums, self._b.sums)

    def difference(self, metric: str, averaging: Averaging) -> Difference:
        """Compare in one metric and averaging."""
        if metric not in METRICS or averaging not in AVERAGINGS:
            raise PredictionsError(
                f"no metric '{metric}' with averaging '{averaging}'; "
                f"choose from {', '.join(METRICS)} and {', '.join(AVERAGINGS)}"
            )
        a, b = self._a.scores[averaging][metric], self._b.scores[averaging][metric]
        value = float(a[0]) - float(b[0])
        low, high = difference_interval(metric, value, standard_error((a - b)[1:]), len(self._a.actors))
        # `get`, because calibration errors have no p-value.
        p = self._p_values.get(metric) if averaging == "pooled" else None
        return Difference(metric, averaging, float(a[0]), float(b[0]), value, low, high, len(self._a.probs), p)


def paired_difference(
    a: SystemProbs, b: SystemProbs, metric: str = "uar", averaging: Averaging = "pooled"
) -> Difference:
    """Compare two systems on the same performances.

    Rows are joined by performance id, or by clip where a performance is several clips on both sides; folds may
    differ (that is what the leak gap compares).
    With ``fold_mean`` each side is averaged over its own folds. Who compares many systems keeps a
    `Compared` of each and makes a `Pairing` of every two.

    Raises
    ------
    PredictionsError
        Unknown metric, or what `Pairing` refuses.
    """
    return Pairing(Compared(a), Compared(b)).difference(metric, averaging)


def _check_pairs(a: Compared, b: Compared) -> None:
    if a.probs.classes != b.probs.classes:
        raise PredictionsError(
            f"the systems cannot be compared: classes differ, {list(a.probs.classes)} and {list(b.probs.classes)}"
        )
    if a.facts.keys() != b.facts.keys():
        only_a = sorted(a.facts.keys() - b.facts.keys())
        only_b = sorted(b.facts.keys() - a.facts.keys())
        raise PredictionsError(
            f"the systems cannot be compared: {len(only_a)} performances only on the first side {only_a[:3]}, "
            f"{len(only_b)} only on the second {only_b[:3]}; score both on the same clips"
        )
    # Under another actor, a clip would be drawn and swapped with the wrong ones.
    for performance, facts in a.facts.items():
        if facts != b.facts[performance]:
            raise PredictionsError(
                f"the systems cannot be compared: performance {performance} has actor and label {facts} "
                f"on the first side, {b.facts[performance]} on the second"
            )
