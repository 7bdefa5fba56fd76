"""Run folders in, one self-contained page out: what was measured, how surely, and what it does not show.

Reads what training wrote (predictions, metrics, scores, calibration, fusion, differences, recipe, layer
weights) and nothing else; no torch, no cache. What can be made again from the predictions is made again and
compared, so that no page shows a number that its run does not hold. The same runs always give the same bytes.
"""

from ravfeat.callable_module import make_callable
from ravfeat.report.build import build_report

__all__ = ["build_report"]

make_callable(__name__)
