"""Rows of clips and of their views: what may teach whom."""

import numpy as np
import pytest

from ravfeat.errors import LeakError
from ravfeat.features.clips import ClipFeatures
from ravfeat.features.training_rows import TrainingRows, average_features, stack_features


@pytest.fixture
def rows() -> TrainingRows:
    """Four clips, a whole view of them, and one of the second and the last."""
    return TrainingRows.of(4, [np.arange(4), np.array([1, 3])])


def test_every_row_knows_its_clip_and_its_label(rows) -> None:
    np.testing.assert_array_equal(rows.origin, [0, 1, 2, 3, 0, 1, 2, 3, 1, 3])
    np.testing.assert_array_equal(rows.spread(np.array([5, 6, 7, 8])), [5, 6, 7, 8, 5, 6, 7, 8, 6, 8])


def test_a_training_side_gains_the_views_of_its_clips_and_no_others(rows) -> None:
    extended = rows.extend(np.array([0, 1]), [np.array([2]), np.array([3])])
    np.testing.assert_array_equal(extended, [0, 1, 4, 5, 8])
    assert extended.dtype == np.int64


def test_without_views_nothing_is_added() -> None:
    train = np.array([2, 0])
    assert TrainingRows.of(4).extend(train, [np.array([1])]) is train


def test_training_rows_know_their_clips_where_there_are_views(rows) -> None:
    np.testing.assert_array_equal(rows.clips_of(np.array([0, 1, 4, 5, 8])), [0, 1, 0, 1, 1])
    assert TrainingRows.of(4).clips_of(np.array([2, 0])) is None


def test_a_view_is_never_judged(rows) -> None:
    with pytest.raises(LeakError, match="row 5 is judged; the 4 clips alone are dealt and judged"):
        rows.extend(np.array([0]), [np.array([1]), np.array([5])])


def test_a_view_is_no_clip_of_a_fold(rows) -> None:
    with pytest.raises(LeakError, match="a view is dealt into a fold as a clip; the 4 clips alone"):
        rows.extend(np.array([0, 6]), [np.array([1])])


@pytest.mark.parametrize("views", [[], [np.arange(4)]])
def test_the_views_of_a_judged_clip_never_teach(views) -> None:
    with pytest.raises(LeakError, match="1 clips train and are judged, first row 2: views of a clip that is judged"):
        TrainingRows.of(4, views).extend(np.array([0, 2]), [np.array([1]), np.array([2, 3])])


def test_features_are_stacked_clip_by_clip() -> None:
    first = ClipFeatures(np.arange(6, dtype=np.float32).reshape(6, 1, 1), np.array([0, 2, 6]), (3,), window=2)
    second = ClipFeatures(np.arange(6, 9, dtype=np.float32).reshape(3, 1, 1), np.array([0, 1, 3]), (3,), window=2)
    stacked = stack_features([first, second])
    np.testing.assert_array_equal(stacked.frames.ravel(), np.arange(9))
    np.testing.assert_array_equal(stacked.offsets, [0, 2, 6, 7, 9])
    assert (len(stacked), stacked.layers, stacked.window) == (4, (3,), 2)
    assert stack_features([first]) is first


# --- averages


@pytest.fixture
def averaging() -> TrainingRows:
    return TrainingRows.of(4, [np.arange(4), np.array([1, 3])], averages=True)


def test_a_clip_is_scored_with_its_own_views_and_no_others(averaging, rows) -> None:
    np.testing.assert_array_equal(averaging.scored(np.array([3, 0, 1])), [3, 7, 9, 0, 4, 1, 5, 8])
    clips = np.array([3, 0])
    assert rows.scored(clips) is clips
    assert averaging.scored(np.zeros(0, np.int64)).shape == (0,)


def test_the_scores_of_a_clip_are_the_mean_over_those_that_are_there(averaging, rows) -> None:
    logits = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    clips = np.array([3, 0])
    expected = np.stack([logits[:, :3].mean(1), logits[:, 3:].mean(1)], axis=1)
    np.testing.assert_allclose(averaging.mean_scores(logits, clips), expected, rtol=1e-6)
    assert averaging.mean_scores(logits, clips).dtype == np.float32
    assert rows.mean_scores(logits, clips) is logits
    none = np.zeros((2, 0, 3), np.float32)
    assert averaging.mean_scores(none, np.zeros(0, np.int64)).shape == (2, 0, 3)


def test_averaging_changes_no_training_side_and_without_views_nothing(averaging, rows) -> None:
    sides = np.array([0, 1]), [np.array([2]), np.array([3])]
    np.testing.assert_array_equal(averaging.extend(*sides), rows.extend(*sides))
    clips = np.array([2, 0])
    assert TrainingRows.of(4, averages=True).scored(clips) is clips


def test_statistics_are_averaged_clip_by_clip_over_the_views_there_are() -> None:
    rng = np.random.default_rng(1)
    clean, whole, partial = (
        ClipFeatures(
            rng.normal(size=(n, 2, 6)).astype(np.float16), np.arange(n + 1), (1, 4), statistics=("mean", "std")
        )
        for n in (3, 3, 2)
    )
    before = clean.frames.copy()
    mean = average_features(clean, iter([(whole, np.arange(3)), (partial, np.array([0, 2]))]))
    for row, values in enumerate((partial.frames[:1], partial.frames[:0], partial.frames[1:])):
        expected = np.concatenate([clean.frames[[row]], whole.frames[[row]], values]).astype(np.float64).mean(0)
        np.testing.assert_allclose(mean.frames[row], expected, rtol=1e-5)
    assert (mean.layers, mean.statistics, mean.frames.dtype, len(mean)) == ((1, 4), ("mean", "std"), np.float32, 3)
    np.testing.assert_array_equal(clean.frames, before)
