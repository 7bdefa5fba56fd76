"""Sweep over many plans: all are ranked by validation rows alone, and one winner is tested once."""

from ravfeat.sweep.run import SweepResult, run_sweep
from ravfeat.sweep.winner import reveal

__all__ = ["SweepResult", "reveal", "run_sweep"]
