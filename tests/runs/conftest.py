"""Simulated runs, as the tests of the report read them."""

from tests.report.conftest import fused_runs, make_run

__all__ = ["fused_runs", "make_run"]
