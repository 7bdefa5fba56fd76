"""The corpus with planted faults, looked at once."""

from pathlib import Path

import pytest

from ravfeat.corpora import load_corpus
from ravfeat.explore.exploration import Exploration, explore_corpus
from tests.plantedcorpus import Planted, plant


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """Clips and their table. Read only."""
    return plant(tmp_path_factory.mktemp("planted") / "clips")


@pytest.fixture(scope="session")
def found(planted: Planted) -> Exploration:
    """What is found in it."""
    return found_in(planted.table)


def found_in(table: Path, sample: int = 1000) -> Exploration:
    """Look at a table that extraction takes, without making a page."""
    return explore_corpus(load_corpus("folder", table), table.parent, [], sample=sample)
