"""Who chooses and who is asked, watched through a head that writes down what it is given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ravfeat.errors import LeakError
from ravfeat.experiment.selection import by_validation, nested
from ravfeat.features.clips import ClipFeatures, Reading
from ravfeat.features.training_rows import TrainingRows
from ravfeat.heads.base import Job, Model, Sweep
from ravfeat.protocols.folds import Fold

N, K = 12, 3
Y = np.arange(N) % K
FEATURES = ClipFeatures(np.zeros((N, 1, 1), np.float32), np.arange(N + 1), (0,))


@dataclass(frozen=True)
class Signed:
    """A model whose logits say which job trained it."""

    job: Job
    chosen: Mapping[str, Any]

    def logits(self, features: ClipFeatures, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.full((len(rows), K), -float(self.job.seed), np.float32)


@dataclass
class Witness:
    """Scores every candidate with its number and the number of its job; chooses the second."""

    name: str = "witness"
    seeded: bool = True
    reading: Reading = field(default_factory=Reading)
    swept: list[Job] = field(default_factory=list)
    asked: list[list[NDArray[np.int64]]] = field(default_factory=list)
    fitted: list[tuple[Job, Mapping[str, Any]]] = field(default_factory=list)

    def sweep(self, features: ClipFeatures, y: NDArray[np.int64], n_classes: int, jobs: Sequence[Job]) -> list[Sweep]:
        first = len(self.swept)
        self.swept += jobs
        candidates = ({"c": 0}, {"c": 1}, {"c": 2})
        return [
            Sweep(
                candidates,
                np.stack([np.full((len(job.val), n_classes), 100 * c + number, np.float32) for c in range(3)]),
            )
            for number, job in enumerate(jobs, start=first)
        ]

    def choose(self, sweeps: Sequence[Sweep], y_val: Sequence[NDArray[np.int64]]) -> int:
        self.asked.append(list(y_val))
        return 1

    def fit(self, features: Any, y: Any, n_classes: int, jobs: Sequence[Job], chosen: Any) -> list[Model]:
        self.fitted += zip(jobs, chosen, strict=True)
        return [Signed(job, choice) for job, choice in zip(jobs, chosen, strict=True)]  # type: ignore[misc]


@pytest.fixture
def folds() -> list[Fold]:
    rows = np.arange(N)
    cuts = [(rows[i : i + 2], rows[i + 2 : i + 4]) for i in (0, 2, 4)]
    return [
        Fold(number, np.setdiff1d(rows, np.concatenate([test, val])), val, test)
        for number, (test, val) in enumerate(cuts)
    ]


def test_validation_rows_choose_and_training_rows_train(folds) -> None:
    head = Witness()
    tasks = [(fold, seed) for seed in (5, 6) for fold in folds]
    trained = by_validation(head, FEATURES, Y, K, tasks)
    assert [(one.fold, one.seed) for one in trained] == tasks
    for (fold, seed), swept, asked, (fitted, chosen) in zip(tasks, head.swept, head.asked, head.fitted, strict=True):
        np.testing.assert_array_equal(swept.train, fold.train)
        np.testing.assert_array_equal(swept.val, fold.val)
        np.testing.assert_array_equal(fitted.train, fold.train)
        np.testing.assert_array_equal(asked[0], Y[fold.val])
        assert (swept.seed, fitted.seed, chosen) == (seed, seed, {"c": 1})
    for one in trained:
        np.testing.assert_array_equal(one.val_rows, one.fold.val)
        assert set(one.val_logits.ravel()) == {-one.seed}  # said by the final model


def test_nested_selection_never_shows_a_head_a_test_row(folds) -> None:
    head = Witness()
    inner = {fold.number: halves(fold) for fold in folds}
    nested(head, FEATURES, Y, K, [(fold, 0) for fold in folds], inner)
    for fold, first, second, (final, _) in zip(folds, head.swept[::2], head.swept[1::2], head.fitted, strict=True):
        for job in (first, second, final):
            assert not set(fold.test) & {*job.train, *job.val}


def test_nested_validation_rows_are_said_by_the_inner_model_that_left_them_out(folds) -> None:
    head = Witness()
    inner = {fold.number: halves(fold) for fold in folds}
    trained = nested(head, FEATURES, Y, K, [(fold, 7) for fold in folds], inner)
    for number, one in enumerate(trained):
        outside = np.sort(np.concatenate([one.fold.train, one.fold.val]))
        np.testing.assert_array_equal(one.val_rows, outside)
        for row, said in zip(one.val_rows, one.val_logits, strict=True):
            job = int(said[0]) - 100  # of candidate 1
            assert job // 2 == number
            assert row in head.swept[job].val
            assert row not in head.swept[job].train


def test_nested_final_heads_train_on_all_rows_but_the_test_rows_and_validate_on_none(folds) -> None:
    head = Witness()
    nested(head, FEATURES, Y, K, [(fold, 7) for fold in folds], {fold.number: halves(fold) for fold in folds})
    for fold, asked, (final, chosen) in zip(folds, head.asked, head.fitted, strict=True):
        np.testing.assert_array_equal(final.train, np.sort(np.concatenate([fold.train, fold.val])))
        assert (len(final.val), final.seed, chosen) == (0, 7, {"c": 1})
        np.testing.assert_array_equal(np.concatenate(asked), np.concatenate([Y[val] for _, val in halves(fold)]))


# --- views of clips


VIEWS = TrainingRows.of(N, [np.arange(N), np.arange(0, N, 3)])
WITH_VIEWS = ClipFeatures(np.zeros((len(VIEWS.origin), 1, 1), np.float32), np.arange(len(VIEWS.origin) + 1), (0,))


def views_of(clips: NDArray[np.int64]) -> set[int]:
    return {row for row in range(N, len(VIEWS.origin)) if VIEWS.origin[row] in clips}


def test_views_train_where_their_clip_trains_and_nothing_else(folds) -> None:
    head = Witness()
    by_validation(head, WITH_VIEWS, Y, K, [(fold, 0) for fold in folds], VIEWS)
    for fold, swept, (fitted, _) in zip(folds, head.swept, head.fitted, strict=True):
        for job in (swept, fitted):
            assert set(job.train) == {*fold.train, *views_of(fold.train)}
            np.testing.assert_array_equal(job.clips, VIEWS.origin[job.train])
            np.testing.assert_array_equal(job.val, fold.val)


def test_views_train_in_inner_folds_and_in_the_final_fit_and_are_never_left_out(folds) -> None:
    head = Witness()
    inner = {fold.number: halves(fold) for fold in folds}
    trained = nested(head, WITH_VIEWS, Y, K, [(fold, 0) for fold in folds], inner, VIEWS)
    jobs = iter(head.swept)
    for fold, one, (final, _) in zip(folds, trained, head.fitted, strict=True):
        for train, val in halves(fold):
            job = next(jobs)
            assert set(job.train) == {*train, *views_of(train)}
            np.testing.assert_array_equal(job.val, val)
        clips = np.concatenate([fold.train, fold.val])
        assert set(final.train) == {*clips, *views_of(clips)}
        np.testing.assert_array_equal(final.clips, VIEWS.origin[final.train])
        assert not len(final.val)
        np.testing.assert_array_equal(one.val_rows, np.sort(clips))


@pytest.mark.parametrize("how", ["val", "nested"])
def test_folds_that_judge_a_view_are_refused(how, folds) -> None:
    torn = Fold(0, folds[0].train, folds[0].val, np.append(folds[0].test, N))
    inner = {0: halves(folds[0])}
    train = by_validation if how == "val" else partial(nested, inner=inner)
    with pytest.raises(LeakError, match=f"row {N} is judged; the {N} clips alone are dealt and judged"):
        train(Witness(), WITH_VIEWS, Y, K, [(torn, 0)], rows=VIEWS)


def halves(fold: Fold) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Two inner folds; the second half comes first, so that nothing is in order by luck."""
    rows = np.sort(np.concatenate([fold.train, fold.val]))
    return [(rows[: len(rows) // 2], rows[len(rows) // 2 :]), (rows[len(rows) // 2 :], rows[: len(rows) // 2])]
