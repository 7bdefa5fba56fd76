"""Heads trained on one corpus and tested on another, over the classes that both have.

Offers
------
CrossPlan, fit_across.
"""

from ravfeat.crosscorpus.run import CrossPlan, fit_across

__all__ = ["CrossPlan", "fit_across"]
