"""Columns that number the rows, or say who speaks or what the label is."""

import numpy as np
import pytest

from ravfeat.errors import CorpusError
from ravfeat.importers.column_checks import ColumnRanges, check_columns

CLIPS = 24
LABELS = {("t.csv", f"c{clip}"): f"label{clip % 3}" for clip in range(CLIPS)}
ACTORS = {("t.csv", f"c{clip}"): f"actor{clip // 6}" for clip in range(CLIPS)}
NUMBER = np.arange(CLIPS)
SHUFFLED = np.random.default_rng(0).permutation(CLIPS)


def check(column, *, allowed=(), n_frames=1, clips=CLIPS):
    """Check two columns: noise, and one with a value for each clip or for each frame, (N,) or (N, T)."""
    noise = np.random.default_rng(1).standard_normal((clips, n_frames))
    values = np.broadcast_to(np.asarray(column, np.float32).reshape(clips, -1), (clips, n_frames))
    ranges = ColumnRanges()
    for clip in range(clips):
        ranges.add("t.csv", f"c{clip}", np.stack([noise[clip], values[clip]], axis=1).astype(np.float32))
    about = {"labels": LABELS, "actors": ACTORS, "allowed": frozenset(allowed)}
    check_columns("t.csv", ["noise", "x7"], ranges, per_clip=n_frames == 1, **about)


@pytest.mark.parametrize(
    "column", [NUMBER, NUMBER + 1, 1000 - NUMBER, NUMBER / 24, SHUFFLED, SHUFFLED + 1, NUMBER**2, 3 * NUMBER + 0.5]
)
def test_a_row_number_is_refused_whatever_it_is_called(column) -> None:
    with pytest.raises(CorpusError, match=r"t\.csv: the values of x7 grow with the row number\..*--columns x7,…"):
        check(column)
    check(column, allowed=["x7"])


@pytest.mark.parametrize(
    ("column", "what"),
    [
        (NUMBER % 3, "of a label"),
        (NUMBER % 3 == 1, "of a label"),
        (np.array([0.3, -7.2, 0.3])[NUMBER % 3], "of a label"),
        (np.where(NUMBER % 3 == 1, np.nan, 1), "of a label"),
        (NUMBER // 6 % 2, "of an actor"),
        (1e9 + NUMBER // 6 * 1e6, "of an actor"),
    ],
)
@pytest.mark.parametrize("n_frames", [1, 4])
def test_a_function_of_label_or_actor_is_refused(column, what, n_frames) -> None:
    with pytest.raises(CorpusError, match=f"the values of x7 are the same in all clips {what}"):
        check(column, n_frames=n_frames)
    check(column, n_frames=n_frames, allowed=["x7"])


def test_a_time_or_counter_of_frames_is_refused() -> None:
    times = np.arange(4) / 25 + np.zeros((CLIPS, 1))
    times[:, 1] += 0.003
    with pytest.raises(CorpusError, match="grow with the row number"):
        check(times, n_frames=4)


@pytest.mark.parametrize(
    "column",
    [
        np.zeros(CLIPS),  # constant over all: useless and harmless
        np.where(NUMBER == 5, 1, 0),  # one clip only
        np.random.default_rng(2).integers(0, 3, CLIPS),
        np.random.default_rng(3).standard_normal(CLIPS),
        np.sort(np.random.default_rng(4).standard_normal(CLIPS)),  # a table may be sorted by a feature
        NUMBER % 5,
    ],
)
def test_features_pass(column) -> None:
    check(column)


def test_a_few_rows_prove_nothing() -> None:
    check(np.arange(4), clips=4)


def test_a_table_of_nothing_has_nothing_to_check() -> None:
    ranges = ColumnRanges()
    ranges.add("t.csv", "c", np.zeros((0, 2), np.float32))
    check_columns("t.csv", ["a", "b"], ranges, per_clip=True, labels={}, actors={})


def test_the_largest_numbers_pass_without_a_warning() -> None:
    check(np.where(np.random.default_rng(5).random((CLIPS, 4)) < 0.5, -3e38, np.nan), n_frames=4)
    check(np.where(np.random.default_rng(5).random(CLIPS) < 0.5, -np.inf, np.inf))
