"""How sure a number is: intervals over actors, p-values, and the records of ``metrics.json``.

Clips of one actor are not independent, so actors are the unit, not clips: every score is computed again without each
actor in turn, and 95 % intervals take quantiles of Student's t; see `ravfeat.stats.jackknife`, and docs/uncertainty.md
on how often they hold what they should.

Conventions
-----------
Axes: A actors, F folds, K classes, B bins, R weightings of actors. ``pooled`` scores all test clips at once;
``fold_mean`` is the unweighted mean over folds of the fold's score; without an actor, a fold counts as much as the
actors that it has left, so that a fold of that actor alone drops out.
"""

from ravfeat.stats.detectable import Detectable, detectable, detectable_difference
from ravfeat.stats.fold_effect import FoldEffect, fold_effect
from ravfeat.stats.groups import GroupDifference, GroupedColumn, GroupScores, compare_groups
from ravfeat.stats.intervals import DEBIASED, Interval, Recall, recalls, score_intervals
from ravfeat.stats.paired import Compared, Difference, Pairing, paired_difference
from ravfeat.stats.permutation import SWAPS, family, holm
from ravfeat.stats.records import difference_records, fold_scores, metric_records, score_rows, write_metrics
from ravfeat.stats.sums import AVERAGINGS, METRICS, Averaging

__all__ = [
    "AVERAGINGS",
    "DEBIASED",
    "METRICS",
    "SWAPS",
    "Averaging",
    "Compared",
    "Detectable",
    "Difference",
    "FoldEffect",
    "GroupDifference",
    "GroupScores",
    "GroupedColumn",
    "Interval",
    "Pairing",
    "Recall",
    "compare_groups",
    "detectable",
    "detectable_difference",
    "difference_records",
    "family",
    "fold_effect",
    "fold_scores",
    "holm",
    "metric_records",
    "paired_difference",
    "recalls",
    "score_intervals",
    "score_rows",
    "write_metrics",
]
