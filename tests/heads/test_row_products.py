"""Products of rows as a matrix and by the rows: the same linear algebra."""

import numpy as np
import pytest

from ravfeat.heads import row_products
from ravfeat.heads.row_products import DenseProducts, TallProducts, is_tall
from ravfeat.heads.softmax_regression import regularization_path


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)


def test_both_solve_the_same(rows: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    ridge, right = rng.uniform(0.5, 3, 60), rng.normal(size=(4, 60))
    matrix = rows.astype(np.float64) @ rows.T.astype(np.float64)
    expected = np.linalg.solve(matrix + np.diag(ridge), right.T).T
    for products in (DenseProducts(rows @ rows.T), TallProducts(rows)):
        np.testing.assert_allclose(products.solver(ridge)(right), expected, atol=1e-5)
        np.testing.assert_allclose(products.times(right), right @ matrix, rtol=1e-4, atol=1e-4)
        assert products.trace == pytest.approx(np.trace(matrix), rel=1e-6)


def test_both_lead_to_one_solution(rows: np.ndarray) -> None:
    y = np.random.default_rng(2).integers(0, 3, 60)
    dense = regularization_path(rows @ rows.T, y, 3, (1.0, 10.0))
    for (dual, intercept), (other, its) in zip(
        dense, regularization_path(TallProducts(rows), y, 3, (1.0, 10.0)), strict=True
    ):
        np.testing.assert_allclose(rows.T @ dual, rows.T @ other, atol=2e-3)
        np.testing.assert_allclose(intercept, its, atol=2e-3)


def test_only_many_narrow_rows_go_by_the_rows() -> None:
    assert not is_tall(row_products.MANY_ROWS, 1)  # results of this size keep their bits
    assert is_tall(20_000, 2048)
    assert not is_tall(20_000, 51_200)
