"""Train heads: caches × protocol × heads → predictions → fusion, with nothing chosen on a test row."""

from ravfeat.experiment.fit import FitPlan, fit_heads
from ravfeat.runs.result import Fitted, FittedModel

__all__ = ["FitPlan", "Fitted", "FittedModel", "fit_heads"]
