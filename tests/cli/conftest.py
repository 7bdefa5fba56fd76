"""What is tested here is commands, not figures."""

import pytest


@pytest.fixture(autouse=True, scope="module")
def reports_without_ink(blank_figures: None) -> None:
    """See there."""
