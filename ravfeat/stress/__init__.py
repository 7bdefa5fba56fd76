"""Stress: a run's trained heads on changed test recordings, and where one stream falls below another."""

from ravfeat.callable_module import make_callable
from ravfeat.runs.stress_file import Stress
from ravfeat.stress.run import stress_run

__all__ = ["Stress", "stress_run"]

make_callable(__name__)
