"""Heads trained on one corpus and tested on another, over the classes that both have."""

from ravfeat.crosscorpus.run import CrossPlan, fit_across

__all__ = ["CrossPlan", "fit_across"]
