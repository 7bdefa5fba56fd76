import pytest

from ravfeat.heads.schedule import one_cycle


def test_the_learning_rate_rises_to_its_peak_and_falls_to_almost_nothing():
    rates = [one_cycle(step, 100, 2.0) for step in range(100)]
    assert max(rates) == pytest.approx(2.0)
    assert rates.index(max(rates)) == 30
    assert rates[0] == pytest.approx(0.08)
    assert rates[-1] < 0.01
