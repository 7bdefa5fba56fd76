"""Permutation importance: which layers, statistics, streams and named features a run's heads decide by."""

from ravfeat.importance.run import measure_run

__all__ = ["measure_run"]
