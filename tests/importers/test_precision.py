"""Imported columns that float16 would flatten."""

from pathlib import Path

import numpy as np
import pytest

from ravfeat.errors import CorpusError
from ravfeat.importers import ImportOptions, ImportPlan, plan_import
from tests.importers.conftest import STEMS

RNG = np.random.default_rng(0)


@pytest.fixture
def plan(voices):
    def make(path: Path, **changes: object) -> ImportPlan:
        return plan_import(
            ImportOptions(**({"path": path, "corpus": "ravdess", "data": voices, "name": "x"} | changes))
        )

    return make


def test_a_narrow_column_is_named_and_single_precision_takes_it(plan, tmp_path) -> None:
    path = tmp_path / "egemaps.csv"
    loudness = np.linspace(0.50001, 0.50008, len(STEMS))
    rows = [f"{stem},{value},{RNG.normal()}" for stem, value in zip(STEMS, RNG.permutation(loudness), strict=True)]
    path.write_text("\n".join(["name,loudness,pitch", *rows]))
    with pytest.raises(
        CorpusError,
        match=r"egemaps.csv: float16 would lose most of what loudness \(6 distinct values between 0.50001 and 0.50008"
        r" become 1\) say; store them with --dtype float32",
    ):
        plan(path)
    assert plan(path, dtype="float32").taken == ("loudness", "pitch")


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda x: 1 + x * 1e-5, r"dimension 3 of layer 1 \(1\d distinct values .* become 1"),
        (lambda x: x * 1e-9, r"dimension 3 of layer 1 \(18 distinct"),
        (lambda x: x * 1e6, "dimension 3 of layer 1"),
    ],
)
def test_dimensions_are_named_by_layer_and_number(plan, save, change, name) -> None:
    x = RNG.normal(size=(18, 2, 5)).astype(np.float32)
    plan(save(x=x))
    x[:, 1, 3] = change(x[:, 1, 3])
    with pytest.raises(CorpusError, match=name):
        plan(save(x=x))
    plan(save(x=x), dtype="float32")


def test_what_counts_is_what_will_be_stored(plan, save) -> None:
    # Probabilities near one: their logarithms near zero lose nothing.
    rare = np.abs(RNG.normal(size=(18, 1))) * 1e-4
    x = np.hstack([1 - rare, rare]).astype(np.float32)
    assert plan(save(x=x)).transform.name == "log-softmax"
    with pytest.raises(CorpusError, match="float16 would lose most of what dimension 0"):
        plan(save(x=x), transform="none")


def test_clips_that_cannot_be_read_are_left_to_the_import(plan, save) -> None:
    x = RNG.normal(size=(18, 4)).astype(np.float32)
    x[4] = np.nan
    assert len(plan(save(x=x)).manifest) == len(STEMS)
