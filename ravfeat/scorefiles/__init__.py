"""Read score files of other programs, and finished runs, into one prediction table that can be fused.

A score file is a CSV or Parquet table with a row per clip, fold, split and seed: the columns ``name`` and
``fold``, optionally ``split``, ``seed``, ``stream``, ``actor``, ``label`` and ``performance``, and one column of
numbers for each class. Whether these are probabilities or logits is found out for every file, and printed.
"""

from ravfeat.scorefiles.compatibility import check_apart
from ravfeat.scorefiles.inputs import Part
from ravfeat.scorefiles.load import Gathered, gather_scores

__all__ = ["Gathered", "Part", "check_apart", "gather_scores"]
