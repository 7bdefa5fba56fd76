"""Published heads: what a run trained, in one folder that gives the run's probabilities back.

Making one is in `ravfeat.published.export`; reading one needs neither the run nor what a report needs.
"""

from ravfeat.published.head import PublishedHead
from ravfeat.published.load import load_head

__all__ = ["PublishedHead", "load_head"]
