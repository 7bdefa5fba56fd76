"""What is tested here draws as often as it does for people."""

from collections.abc import Iterator

import pytest

from ravfeat.stats import DRAWS, SWAPS


@pytest.fixture(autouse=True)
def all_draws() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ravfeat.stats.intervals.DRAWS", DRAWS)
        patch.setattr("ravfeat.stats.permutation.SWAPS", SWAPS)
        yield
