"""Run folders in, one self-contained page out: what was measured, how surely, and what it does not show.

Reads what training wrote (predictions, metrics, scores, recipe, layer weights) and nothing else;
no torch, no cache. The same runs always give the same bytes.

Offers
------
build_report.
"""

from ravfeat.report.build import build_report

__all__ = ["build_report"]
