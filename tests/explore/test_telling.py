"""What one value of a clip tells of its label: chance where it tells nothing, and never by the clip itself."""

import numpy as np
import pytest

from ravfeat.explore.telling import binned, telling


def test_values_that_are_drawn_at_random_tell_nothing() -> None:
    rng = np.random.default_rng(0)
    labels = rng.choice(["a", "b", "c"], 3000)
    told = telling(rng.choice(list("uvwxyz"), 3000), labels)
    assert 0.25 < told.value < 0.37


def test_a_value_of_its_own_for_every_clip_tells_nothing() -> None:
    labels = ["a", "b"] * 50
    assert telling([str(i) for i in range(100)], labels).value == pytest.approx(0.5)


def test_a_rare_class_counts_as_much_as_a_large_one() -> None:
    labels = ["a"] * 98 + ["b"] * 2
    assert telling(["x"] * 100, labels).value == pytest.approx(0.5, abs=0.01)
    assert telling(["x"] * 98 + ["y"] * 2, labels).value == 1


def test_a_class_of_one_clip_is_not_scored_and_one_class_is_certain() -> None:
    assert telling(["x", "x", "y", "y", "z"], ["a", "a", "b", "b", "c"]).value == 1
    assert telling(["x", "y"], ["a", "a"]).gain == 0
    assert telling(["x", "y"], ["a", "b"]).gain == 0


def test_numbers_that_rise_with_the_class_tell_it_and_equal_ones_stay_together() -> None:
    labels = ["a"] * 50 + ["b"] * 50
    assert telling(binned(np.arange(100.0)), labels).value == pytest.approx(1, abs=0.1)
    assert len(set(binned(np.r_[np.zeros(80), np.arange(20.0)]))) <= 4
    assert binned(np.array([np.nan, np.nan])) == ["", ""]
