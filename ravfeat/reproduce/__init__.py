"""Reproduce the study row by row: the published number, the number measured here, and what differs."""

from ravfeat.reproduce.options import StudyOptions
from ravfeat.reproduce.plan import Study, plan_study
from ravfeat.reproduce.run import run_study

__all__ = ["Study", "StudyOptions", "plan_study", "run_study"]
