"""How sure a number is: bootstrap over actors, and the records of ``metrics.json``.

Clips of one actor are not independent, so intervals resample actors, not clips: 2000 draws of
as many actors as there are, with replacement, 95 % percentile interval, one fixed seed (Efron &
Tibshirani 1993, chapter 13; the cluster bootstrap of Davison & Hinkley 1997, section 3.8).

Conventions
-----------
Axes: A actors, F folds, K classes, B bins, R draws. ``pooled`` scores all test clips at once;
``fold_mean`` is the unweighted mean over folds of the fold's score; in a draw a fold counts as much as
its actors were drawn, so that one none of whose actors were drawn drops out.
"""

from ravfeat.stats.intervals import DRAWS, Interval, Recall, bootstrap, recalls
from ravfeat.stats.paired import Compared, Difference, Pairing, paired_difference
from ravfeat.stats.permutation import SWAPS, holm
from ravfeat.stats.records import difference_records, fold_scores, metric_records, score_rows, write_metrics
from ravfeat.stats.sums import AVERAGINGS, METRICS, Averaging

__all__ = [
    "AVERAGINGS",
    "DRAWS",
    "METRICS",
    "SWAPS",
    "Averaging",
    "Compared",
    "Difference",
    "Interval",
    "Pairing",
    "Recall",
    "bootstrap",
    "difference_records",
    "fold_scores",
    "holm",
    "metric_records",
    "paired_difference",
    "recalls",
    "score_rows",
    "write_metrics",
]
