"""Late fusion: several systems, each at its temperature, mixed by weights from validation rows.

``fuse`` learns from val rows only (or cross-fits scores that have none) and offers two rules, a weighted mean
of probabilities and a weighted sum of log-probabilities. That the fused system is never below the best single
one is guaranteed on the rows that were learned from; on test rows it is a finding, whichever it is.
"""

from ravfeat.fusion.aligned import AlignedRows, align_rows
from ravfeat.fusion.fit import Choice, FoldFusion, FusionScore, fit_fold
from ravfeat.fusion.mixing import MixRule, mix
from ravfeat.fusion.record import fusion_record
from ravfeat.fusion.table import Fusion, fuse, fused_logits, members_of, name_of
from ravfeat.fusion.weights import LARGEST, STEPS, fit_linear, fit_loglinear, grid_uar, simplex_grid

__all__ = [
    "LARGEST",
    "STEPS",
    "AlignedRows",
    "Choice",
    "FoldFusion",
    "Fusion",
    "FusionScore",
    "MixRule",
    "align_rows",
    "fit_fold",
    "fit_linear",
    "fit_loglinear",
    "fuse",
    "fused_logits",
    "fusion_record",
    "grid_uar",
    "members_of",
    "mix",
    "name_of",
    "simplex_grid",
]
