"""One toy cache and two small runs of it for all tests of the API. Read only."""

from pathlib import Path

import pytest

import ravfeat
from tests.toycaches import actors_and_emotions, build_cache


@pytest.fixture(scope="package")
def toy_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    takes = actors_and_emotions(actors=6, repeats=2)
    return build_cache(tmp_path_factory.mktemp("toy"), takes, corpus="toy")


@pytest.fixture(scope="package")
def small_run(toy_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> ravfeat.Run:
    """A run of one head on one layer."""
    out = tmp_path_factory.mktemp("smallrun") / "run"
    return ravfeat.fit_heads(toy_cache, heads="logreg", protocol="group2", device="cpu", layers=1, out=out)


@pytest.fixture(scope="package")
def toy_run(toy_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> ravfeat.Run:
    """A run of two heads and their fusion."""
    out = tmp_path_factory.mktemp("toyrun") / "run"
    return ravfeat.fit_heads(toy_cache, heads=["logreg", "kernel"], protocol="group3", device="cpu", out=out)
