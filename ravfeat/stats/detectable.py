"""Smallest difference that can be told from zero: half the width of a 95 % interval of a paired difference in UAR.

Of two or more systems it is the median over their pairs, each pair's standard error being that of the difference with
each actor left out in turn (`ravfeat.stats.jackknife`). The range over pairs is said with it, since systems that
stumble over the same actors are told apart by less than others. One system alone says only how much it varies itself:
the variance of a difference of two such systems that err independently is twice as large, and any agreement between
them makes it smaller, so that this is an upper bound for systems that vary over actors as much. There no error is
taken to be smaller than half a clip, as in `ravfeat.stats.jackknife.share_interval`.

It is the difference at which an interval just excludes zero. To find one in four of five studies it would have to be
about 1.4 times as large (Bloom 1995, "Minimum detectable effects": 2.8 standard errors instead of 2).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ravfeat.predictions import Predictions
from ravfeat.schema import FUSED_STREAMS
from ravfeat.stats.jackknife import standard_error, t_quantile
from ravfeat.stats.paired import Compared

__all__ = ["Detectable", "detectable", "detectable_difference"]


@dataclass(frozen=True)
class Detectable:
    """What difference in pooled UAR the actors at hand can show.

    Attributes
    ----------
    value, lowest, highest : float
        Median, smallest and largest half width over pairs; one number three times without a pair.
    n_actors : int
    n_pairs : int
        0: an upper bound from systems by themselves.
    """

    value: float
    lowest: float
    highest: float
    n_actors: int
    n_pairs: int

    @property
    def said(self) -> str:
        """Say it in one sentence, without a full stop."""
        actors = f"with {self.n_actors} {'actor' if self.n_actors == 1 else 'actors'}"
        if self.value >= 1:
            return f"{actors}, no difference of UAR can be told from zero"
        if not self.n_pairs:
            return (
                f"{actors} and one system: a difference of UAR to another one may need up to about {self.value:.3f} to"
                " be told from zero (half the width of its 95 % interval if that varies over actors as much and"
                " independently; paired, it is mostly less)"
            )
        about = f"{actors}, differences of UAR under about {self.value:.3f} cannot be told from zero"
        pairs = "of these two systems"
        if self.n_pairs > 1:
            ends = f"{self.lowest:.3f}", f"{self.highest:.3f}"
            pairs = f"median of {self.n_pairs} pairs of systems{', ' + ' to '.join(ends) if ends[0] != ends[1] else ''}"
        return f"{about} (half the width of the 95 % interval of a paired difference, {pairs})"


def detectable_difference(predictions: Predictions) -> Detectable:
    """Say it of the systems of a run, without mixtures that were not chosen: they hardly differ from the chosen one."""
    systems = [system for system in predictions.systems() if system.stream not in FUSED_STREAMS[1:]]
    # Decisions are those of a maximum: no temperature moves them.
    return detectable([Compared(predictions.seed_averaged(system)) for system in systems])


def detectable(systems: Sequence[Compared]) -> Detectable:
    """Say it of systems; pairs are those on the same performances that do not decide alike everywhere.

    Parameters
    ----------
    systems : sequence of Compared
        At least one.
    """
    pairs = [(a, b) for a, b in combinations(systems, 2) if a.facts == b.facts]
    errors = [(standard_error((_uar(a) - _uar(b))[1:]), len(a.actors)) for a, b in pairs]
    if differing := [(error, n_actors) for error, n_actors in errors if error > 0]:
        return _of(differing, len(differing))
    errors = [(max(standard_error(_uar(each)[1:]), 0.5 / len(each.probs)), len(each.actors)) for each in systems]
    return _of([(float(np.sqrt(2)) * error, n_actors) for error, n_actors in errors], 0)


def _uar(system: Compared) -> NDArray[np.float64]:
    return system.scores["pooled"]["uar"]


def _of(errors: Sequence[tuple[float, int]], n_pairs: int) -> Detectable:
    """Take the median of half widths; more than 1 is no difference of UAR."""
    halves = [min(t_quantile(n_actors) * error, 1.0) if n_actors > 1 else 1.0 for error, n_actors in errors]
    if not n_pairs:
        halves = [float(np.median(halves))]
    fewest = min(n_actors for _, n_actors in errors)
    return Detectable(float(np.median(halves)), min(halves), max(halves), fewest, n_pairs)
