"""Rows of clips and of their views: what may teach whom."""

import numpy as np
import pytest

from ravfeat.errors import LeakError
from ravfeat.features.clips import ClipFeatures
from ravfeat.features.training_rows import TrainingRows, stack_features


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
