"""What is tested here swaps as often as it does for people."""

from collections.abc import Iterator

import pytest

from ravfeat.stats import SWAPS


@pytest.fixture(autouse=True)
def all_swaps() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ravfeat.stats.permutation.SWAPS", SWAPS)
        yield
