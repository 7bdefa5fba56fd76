"""Which columns float16 flattens, and which it keeps."""

import numpy as np
import pytest

from ravfeat.numerics.rounding import SAMPLE, describe_flattened, evenly, flattened_columns

RNG = np.random.default_rng(0)


def lost(values: np.ndarray) -> bool:
    """Whether a column of these values is flattened, beside one that never is."""
    plain = RNG.normal(size=len(values))
    columns = [column.column for column in flattened_columns(np.stack([plain, values], axis=1).astype(np.float32))]
    assert columns in ([], [1])
    return columns == [1]


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(0.5 + RNG.normal(size=72) * 1e-5, id="narrow"),
        pytest.param(np.linspace(0.50001, 0.50008, 72), id="72 values become 2"),
        pytest.param(2000 + RNG.normal(size=SAMPLE), id="far from zero"),
        pytest.param(RNG.normal(size=SAMPLE) * 1e-8, id="below the smallest number"),
        pytest.param(np.abs(RNG.normal(size=72)) * 1e-7, id="subnormal"),
        pytest.param(np.r_[np.linspace(1e-9, 7e-9, 71), 1.0], id="tiny but for one, which is all of the spread"),
        pytest.param(np.r_[RNG.normal(size=71), 70_000], id="beyond the range"),
        pytest.param(np.array([1.0, 1.0001]), id="two rows"),
    ],
)
def test_columns_that_lose_their_values_are_found(values) -> None:
    assert lost(values)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(RNG.normal(size=SAMPLE), id="normal"),
        pytest.param(200 + 50 * RNG.normal(size=SAMPLE), id="pitch in Hz"),
        pytest.param(640 + 30 * RNG.normal(size=SAMPLE), id="pixels"),
        pytest.param(1000 + 20 * RNG.normal(size=SAMPLE), id="pixels of a face that stays"),
        pytest.param(2e-6 + 1e-6 * RNG.normal(size=SAMPLE), id="scores near zero"),
        pytest.param(-40 + RNG.normal(size=SAMPLE), id="decibels or centimetres"),
        pytest.param(RNG.normal(size=SAMPLE) * 0.01, id="small"),
        pytest.param(RNG.integers(0, 2, SAMPLE), id="flags"),
        pytest.param(RNG.integers(0, 2000, SAMPLE), id="whole numbers"),
        pytest.param(RNG.exponential(size=SAMPLE) ** 4, id="heavy tail"),
        pytest.param(np.full(SAMPLE, 0.1), id="constant"),
        pytest.param(np.full(SAMPLE, 1e-9), id="tiny constant"),
        pytest.param(0.1 + RNG.integers(0, 2, SAMPLE) * 1e-8, id="constant but for rounding"),
        pytest.param(RNG.normal(size=SAMPLE).astype(np.float16), id="rounded before"),
        pytest.param(np.where(RNG.random(SAMPLE) < 0.9, 0, RNG.random(SAMPLE)), id="mostly nothing"),
    ],
)
def test_features_of_usual_spread_are_kept(values) -> None:
    assert not lost(np.asarray(values, np.float64))


@pytest.mark.parametrize("n_rows", [0, 1])
def test_of_one_row_nothing_is_said(n_rows) -> None:
    assert flattened_columns(np.full((n_rows, 3), 1e-9, np.float32)) == []


def test_a_column_is_named_with_its_values_before_and_after() -> None:
    rows = np.linspace(0.50001, 0.50008, 72, dtype=np.float32)[:, None].repeat(5, axis=1)
    text = describe_flattened(flattened_columns(rows), "abcde")
    assert text.startswith("a (72 distinct values between 0.50001 and 0.50008 become 1), b (")
    assert text.endswith(" and 2 more")


def test_positions_are_spread_evenly() -> None:
    assert evenly(0, 5).tolist() == []
    assert evenly(1, 5).tolist() == [0]
    assert evenly(1000, 3).tolist() == [0, 500, 999]
    assert len(evenly(513, SAMPLE)) == SAMPLE
