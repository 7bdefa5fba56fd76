"""Tails of the binomial distribution, against scipy."""

import pytest
from scipy.stats import binom

from ravfeat.audit.binomial import at_least, at_most


@pytest.mark.parametrize(("hits", "n", "p"), [(0, 5, 0.3), (7, 20, 0.27), (60, 60, 0.9), (90, 200, 0.9)])
def test_tails_are_those_of_scipy(hits, n, p) -> None:
    assert at_least(hits, n, p) == pytest.approx(binom.sf(hits - 1, n, p))
    assert at_most(hits, n, p) == pytest.approx(binom.cdf(hits, n, p))
