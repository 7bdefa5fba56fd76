"""Half precision widened by its bits."""

import numpy as np
import pytest

from ravfeat.numerics.float16 import all_finite, widen

EVERY_HALF = np.arange(1 << 16, dtype=np.uint16).view(np.float16)


def test_every_finite_half_is_widened_to_the_same_bits() -> None:
    finite = EVERY_HALF[np.isfinite(EVERY_HALF)]
    assert widen(finite).tobytes() == finite.astype(np.float32).tobytes()
    views = finite[: 63 * 1000].reshape(63, 10, 100).transpose(1, 0, 2)[::2, :, 1:]
    np.testing.assert_array_equal(widen(views), views.astype(np.float32))


def test_nan_and_infinity_stay_what_they_are() -> None:
    np.testing.assert_array_equal(widen(EVERY_HALF), EVERY_HALF.astype(np.float32))


@pytest.mark.parametrize("dtype", ["<f2", ">f2", "<f4", "<f8"])
def test_other_layouts_are_widened_too(dtype: str) -> None:
    values = np.array([[1.5, -2.0, 0.0]], dtype)
    np.testing.assert_array_equal(widen(values), values.astype(np.float32))
    assert widen(values[:0]).shape == (0, 3)


def test_single_precision_is_not_copied() -> None:
    values = np.ones(3, np.float32)
    assert widen(values) is values


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_noticed(dtype: type, wrong: float) -> None:
    values = np.array([[0, 65504], [-65504, -0.0]], dtype)
    assert all_finite(values)
    assert all_finite(values[:0])
    values[1, 1] = wrong
    assert not all_finite(values)
    assert all_finite(values[:, 0])
