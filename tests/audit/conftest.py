"""An honest run and its caches, read only, and copies that a test may spoil."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.audit.runs import caches_in, make_run


@pytest.fixture(scope="session")
def caches(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A voice and a face. Read only."""
    return caches_in(tmp_path_factory.mktemp("audited-caches"))


@pytest.fixture(scope="session")
def honest(caches: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fused run of both. Read only."""
    return make_run(tmp_path_factory.mktemp("audited") / "honest", caches)


@pytest.fixture(scope="session")
def single(caches: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the voice alone, chosen nested. Read only."""
    return make_run(tmp_path_factory.mktemp("audited") / "single", caches[:1], select="nested")


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[Path], Path]:
    """Copy a folder, to be spoiled."""

    def make(folder: Path) -> Path:
        return Path(shutil.copytree(folder, tmp_path / "copies" / folder.name))

    return make
