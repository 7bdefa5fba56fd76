"""Scores of groups of test clips, such as those of men and of women, and how sure their difference is.

Where every actor is in one group the groups are independent, and the variances of their scores add up (degrees of
freedom: Welch 1947, "The generalization of Student's problem when several different population variances are
involved"). Where actors are in both, each actor is left out of both at once, as in `ravfeat.stats.jackknife`: what an
actor is like cancels. The p-value is that of the same t, so that it is below 0.05 where the interval excludes zero.

A class that one group lacks would make its UAR one of an easier or a harder task, so a difference is over the clips of
the classes that both have.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from ravfeat.predictions import SystemProbs
from ravfeat.schema import MAX_GROUPS
from ravfeat.short_repr import short_repr
from ravfeat.stats.intervals import Interval, score_intervals
from ravfeat.stats.jackknife import difference_interval, standard_error, without_each
from ravfeat.stats.permutation import holm
from ravfeat.stats.sums import METRICS, Sums

__all__ = ["FEWEST_ACTORS", "FEWEST_CLIPS", "GroupDifference", "GroupScores", "GroupedColumn", "compare_groups"]

FEWEST_ACTORS, FEWEST_CLIPS = 3, 20
"""A group of fewer is not scored: of two actors the spread between them is known with one degree of freedom. Nor are
groups compared that have fewer in the classes of both."""


@short_repr
@dataclass(frozen=True)
class GroupScores:
    """Every metric of one group, pooled over folds, with intervals over its actors.

    Attributes
    ----------
    value : str
        Of the column.
    scores : mapping of str to Interval
    n, n_actors : int
    lacking : tuple of str
        Classes that none of its clips has: its UAR is over the others.
    """

    value: str
    scores: Mapping[str, Interval]
    n: int
    n_actors: int
    lacking: tuple[str, ...] = ()


@short_repr
@dataclass(frozen=True)
class GroupDifference:
    """One metric of group `a` less that of group `b`.

    Attributes
    ----------
    metric, a, b : str
        `b` is empty where it is all other groups together.
    value, ci_low, ci_high : float
        Over clips of the classes that both have; 95 % interval.
    p, p_holm : float
        Two-sided; corrected over all differences of the metric, see `compare_groups`.
    family : int
        How many these are.
    left_out : tuple of str
        Classes that only one side has.
    paired : bool
        Whether some actors are on both sides.
    """

    metric: str
    a: str
    b: str
    value: float
    ci_low: float
    ci_high: float
    p: float
    p_holm: float
    family: int
    left_out: tuple[str, ...]
    paired: bool


@short_repr
@dataclass(frozen=True)
class GroupedColumn:
    """One system by one column.

    Attributes
    ----------
    name : str
    groups : tuple of GroupScores
        Sorted by value.
    differences : tuple of GroupDifference
        The first group less the second; of three or more each less all others.
    small : mapping of str to int
        Clips of values that have too few of them, or too few actors, to be scored.
    """

    name: str
    groups: tuple[GroupScores, ...]
    differences: tuple[GroupDifference, ...]
    small: Mapping[str, int]

    def of(self, metric: str) -> tuple[GroupDifference, ...]:
        """Give the differences of one metric."""
        return tuple(difference for difference in self.differences if difference.metric == metric)


def compare_groups(probs: SystemProbs, columns: Mapping[str, Mapping[str, str]]) -> list[GroupedColumn]:
    """Score the groups of every column, and compare them; p-values of a metric are corrected over all columns.

    Parameters
    ----------
    probs : SystemProbs
        Of N test clips.
    columns : mapping of str to mapping of str to str
        By column, what every clip has of which it is known; by ``clip_id``.

    Returns
    -------
    list of GroupedColumn
        Without columns that have fewer than two groups of `FEWEST_ACTORS` actors and `FEWEST_CLIPS` clips, or more
        than `MAX_GROUPS` values.
    """
    clips = probs.clip_ids.tolist()
    known = {name: [values.get(clip) for clip in clips] for name, values in columns.items()}
    grouped = [
        _grouped(probs, name, np.array(values, object))
        for name, values in sorted(known.items())
        if 2 <= len(set(values) - {None}) <= MAX_GROUPS
    ]
    kept = [column for column in grouped if len(column.groups) > 1]
    for metric in METRICS:
        family = [difference for column in kept for difference in column.of(metric)]
        corrected = iter(holm([difference.p for difference in family]))
        kept = [
            replace(
                column,
                differences=tuple(
                    replace(each, p_holm=next(corrected), family=len(family)) if each.metric == metric else each
                    for each in column.differences
                ),
            )
            for column in kept
        ]
    return kept


def _grouped(probs: SystemProbs, name: str, values: NDArray[Any]) -> GroupedColumn:
    members = {value: values == value for value in sorted({value for value in values.tolist() if value is not None})}
    large = {value: rows for value, rows in members.items() if _is_large(probs.actors[rows])}
    small = {value: int(rows.sum()) for value, rows in members.items() if value not in large}
    names = list(large)
    differences: list[GroupDifference] = []
    if len(names) == 2:
        differences = _differences(probs, names[0], names[1], large[names[0]], large[names[1]])
    elif len(names) > 2:
        everyone = np.logical_or.reduce(list(large.values()))
        for value, rows in large.items():
            differences += _differences(probs, value, "", rows, everyone & ~rows)
    groups = tuple(_scores(probs, value, rows) for value, rows in large.items()) if len(names) > 1 else ()
    return GroupedColumn(name, groups, tuple(differences), small)


def _is_large(actors: NDArray[Any]) -> bool:
    return len(actors) >= FEWEST_CLIPS and len(np.unique(actors)) >= FEWEST_ACTORS


def _scores(probs: SystemProbs, value: str, rows: NDArray[np.bool_]) -> GroupScores:
    chosen = probs.rows(rows)
    intervals = score_intervals(chosen).items()
    scores = {metric: interval for (metric, averaging), interval in intervals if averaging == "pooled"}
    lacking = tuple(label for k, label in enumerate(probs.classes) if k in probs.y and k not in chosen.y)
    return GroupScores(value, scores, len(chosen), len(np.unique(chosen.actors)), lacking)


def _differences(
    probs: SystemProbs, a: str, b: str, in_a: NDArray[np.bool_], in_b: NDArray[np.bool_]
) -> list[GroupDifference]:
    both = set(probs.y[in_a].tolist()) & set(probs.y[in_b].tolist())
    either = set(probs.y[in_a | in_b].tolist())
    shared = np.isin(probs.y, sorted(both))
    left, right = probs.rows(in_a & shared), probs.rows(in_b & shared)
    if len(both) < 2 or not (_is_large(left.actors) and _is_large(right.actors)):
        return []  # a column that tells the label, or nearly: too little is alike on both sides
    actors = np.unique(np.concatenate([left.actors, right.actors]))
    paired = bool(np.isin(left.actors, right.actors).any())
    left_out = tuple(probs.classes[k] for k in sorted(either - both))
    made = []
    for metric, (value, error, freedom) in _errors(left, right, actors, paired=paired).items():
        low, high = difference_interval(metric, value, error, freedom + 1)
        # Equal scores of everybody: nothing to tell, or no doubt about it.
        p = float(2 * stdtr(freedom, -abs(value) / error)) if error > 0 else float(value == 0)
        made.append(GroupDifference(metric, a, b, value, low, high, p, p, 0, left_out, paired=paired))
    return made


def _errors(
    left: SystemProbs, right: SystemProbs, actors: NDArray[Any], *, paired: bool
) -> dict[str, tuple[float, float, float]]:
    """Give difference, standard error and degrees of freedom of every metric."""
    if not paired:
        sides = [_left_out(side, np.unique(side.actors)) for side in (left, right)]
        return {name: _welch(sides[0][name], sides[1][name]) for name in METRICS}
    without = [_left_out(side, actors) for side in (left, right)]
    result = {}
    for name in METRICS:
        gaps = without[0][name] - without[1][name]
        result[name] = (float(gaps[0]), standard_error(gaps[1:]), float(len(actors) - 1))
    return result


def _left_out(side: SystemProbs, actors: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """Score all actors, then all but each, of shape (1 + A,)."""
    return Sums.of(side, actors).scores(without_each(len(actors)), "pooled")


def _welch(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[float, float, float]:
    squares = [standard_error(side[1:]) ** 2 for side in (a, b)]
    freedoms = [len(side) - 2 for side in (a, b)]
    total = sum(squares)
    spread = sum(square**2 / freedom for square, freedom in zip(squares, freedoms, strict=True))
    return float(a[0] - b[0]), float(np.sqrt(total)), total**2 / spread if spread > 0 else float(min(freedoms))
