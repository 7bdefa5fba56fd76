"""What may be done to rows."""

import numpy as np
import pytest

from ravfeat.errors import UsageError
from ravfeat.importers.transforms import TRANSFORMS, get_transform, landmark_shaped, probability_rows


def face(*, scale=1.0, angle=0.0, shift=(0.0, 0.0), seed=0):
    points = np.random.default_rng(seed).normal(size=(68, 2))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return scale * points @ turn.T + shift


def test_a_transform_is_named_or_the_choices_are_listed() -> None:
    assert all(name == transform.name for name, transform in TRANSFORMS.items())
    with pytest.raises(
        UsageError, match="no transform 'pca'; choose from auto, similarity, geometry, log-softmax, none"
    ):
        get_transform("pca", (3,))


@pytest.mark.parametrize(("name", "shape"), [
    ("similarity", (136,)), ("similarity", (5, 2)), ("geometry", (136,)), ("log-softmax", (68, 2))
])  # fmt: skip
def test_rows_of_another_shape_are_refused(name, shape) -> None:
    with pytest.raises(UsageError, match=rf"--transform {name} takes rows of .* the shape \({shape[0]}"):
        get_transform(name, shape)


@pytest.mark.parametrize(
    ("shape", "is_one"),
    [((68, 2), True), ((478, 3), True), ((68,), False), ((67, 2), False), ((68, 4), False), ((68, 2, 1), False)],
)
def test_landmarks_are_68_or_478_points(shape, is_one) -> None:
    assert landmark_shaped(shape) is is_one


def test_similarity_forgets_place_size_and_roll_and_nothing_else() -> None:
    similarity = get_transform("similarity", (68, 2))
    moved = np.array([face(), face(scale=40, angle=0.4, shift=(300, 200)), face(seed=1)], np.float32)
    one, other, third = similarity.apply(moved)
    np.testing.assert_allclose(one, other, atol=1e-4)
    assert np.abs(one - third).max() > 0.1
    eyes = one[36:42].mean(0), one[42:48].mean(0)
    np.testing.assert_allclose(eyes[0] + eyes[1], 0, atol=1e-6)
    assert np.linalg.norm(eyes[1] - eyes[0]) == pytest.approx(1)


@pytest.mark.parametrize("name", ["similarity", "geometry"])
def test_eyes_in_one_place_cannot_be_used(name) -> None:
    points = np.array([face(), np.zeros((68, 2)), face(seed=1)])
    assert get_transform(name, (68, 2)).usable(points).tolist() == [True, False, True]
    flat = np.random.default_rng(0).normal(size=(1, 478, 3))
    flat[..., :2] = 5.0  # apart in depth alone: no roll to take away
    assert not get_transform(name, (478, 3)).usable(flat).any()


def test_log_softmax_gives_logs_that_are_a_distribution_again() -> None:
    rows = np.array([[0.25, 0.75], [0.0, 1.0]], np.float32)
    logs = get_transform("log-softmax", (2,)).apply(rows)
    assert logs.dtype == np.float32
    np.testing.assert_allclose(logs[0], np.log([0.25, 0.75]), rtol=1e-6)
    np.testing.assert_allclose(logs[1], [np.log(1e-6), 0], atol=2e-6)
    np.testing.assert_allclose(np.exp(logs.astype(np.float64)).sum(1), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("row", "is_one"),
    [
        ([0.2, 0.8], True),
        ([0.2, 0.8009], True),
        ([0.2, 0.802], False),
        ([-0.1, 1.1], False),
        ([2.0, -1.0], False),
        ([np.nan, 1.0], False),
        ([1, 0], True),
    ],
)
def test_probabilities_lie_between_0_and_1_and_add_up(row, is_one) -> None:
    assert probability_rows(np.array([row])).tolist() == [is_one]


def test_half_precision_probabilities_are_still_some() -> None:
    rows = np.random.default_rng(0).dirichlet(np.ones(7), 10_000).astype(np.float16)
    assert probability_rows(rows).all()


def test_none_changes_nothing() -> None:
    rows = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    np.testing.assert_array_equal(get_transform("none", (4,)).apply(rows), rows)
