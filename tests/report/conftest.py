"""Runs of simulated systems; see `tests.report.simulated`."""

from pathlib import Path

import pytest

from ravfeat.report import build_report
from ravfeat.report.graded import Graded
from tests.report.simulated import graded_of, write_run


@pytest.fixture(scope="session")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """An actor split and a LEAKY clip split of the same synthetic clips. Read only."""
    base = tmp_path_factory.mktemp("two-runs")
    honest = write_run(base / "quick")
    leaky = write_run(base / "quick-clip6", protocol="clip6", leaky=True, heads={"attentive": 1.9, "logreg": 1.9})
    return [honest, leaky]


@pytest.fixture(scope="session")
def built(two_runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of `two_runs`. Read only."""
    return build_report(two_runs, tmp_path_factory.mktemp("report")).parent


@pytest.fixture(scope="session")
def fused_runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same of a voice and a face, fused. Read only."""
    base = tmp_path_factory.mktemp("fused-runs")
    honest = write_run(base / "both", heads={"attentive": 1.0}, faces={"kernel": 0.9})
    leaky = write_run(
        base / "both-clip6", protocol="clip6", leaky=True, heads={"attentive": 1.7}, faces={"kernel": 1.7}
    )
    return [honest, leaky]


@pytest.fixture(scope="session")
def fused(fused_runs: list[Path]) -> list[Graded]:
    """The systems of `fused_runs`: five honest ones, the fused one first, then five LEAKY ones. Read only."""
    return graded_of(fused_runs)


@pytest.fixture(scope="session")
def fused_report(fused_runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of `fused_runs`. Read only."""
    return build_report(fused_runs, tmp_path_factory.mktemp("fused-report")).parent
