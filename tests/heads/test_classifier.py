"""A user's own classifiers: what they get, how their scores become logits, and every way to give wrong ones."""

from functools import partial

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ravfeat.errors import HeadError, PluginError
from ravfeat.features.statistics import clip_statistics
from ravfeat.heads.base import Job
from ravfeat.heads.classifier import MOST_CANDIDATES
from ravfeat.heads.own_heads import own_kind
from ravfeat.plugins import Brought


def head_of(value, **settings):
    return own_kind(Brought(value, "mine.py:X", "0" * 64, {}), "x")(**settings)


def fitted(value, problem, params=None, y=None, **settings):
    head, job = head_of(value, **settings), problem.job()
    choice = {"layers": [2], "params": params or {}}
    labels = problem.y if y is None else y
    return head.fit(problem.features, labels, problem.n_classes, [job], [choice])[0]


def statistics_of(problem, rows, layers=(2,)):
    return clip_statistics(problem.features, ("mean", "std"), layers=list(layers))[rows].reshape(len(rows), -1)


@pytest.mark.parametrize(
    "value", [LogisticRegression, RidgeClassifier, GaussianNB, partial(RandomForestClassifier, 8), SVC]
)
def test_every_kind_of_classifier_learns_what_is_there_and_its_sweep_is_what_fit_gives(value, problem):
    head, job = head_of(value), problem.job()
    sweep = head.sweep(problem.features, problem.y, problem.n_classes, [job])[0]
    pick = head.choose([sweep], [problem.y[job.val]])
    assert {tuple(choice["layers"]) for choice in sweep.candidates} == {(0,), (1,), (2,), (3,), (0, 1, 2, 3), (1, 2, 3)}
    model = head.fit(problem.features, problem.y, problem.n_classes, [job], [sweep.candidates[pick]])[0]
    np.testing.assert_allclose(model.logits(problem.features, job.val), sweep.logits[pick], atol=1e-4)
    assert problem.accuracy(model.logits(problem.features, problem.test), problem.test) > 0.7
    assert model.logits(problem.features, problem.test[:0]).shape == (0, problem.n_classes)


def test_a_pipeline_gets_the_statistics_as_they_are_and_others_get_them_standardised(problem):
    piped = fitted(lambda: make_pipeline(StandardScaler(), LinearDiscriminantAnalysis()), problem)
    plain = fitted(LinearDiscriminantAnalysis, problem)
    oracle = make_pipeline(StandardScaler(), LinearDiscriminantAnalysis())
    oracle.fit(statistics_of(problem, problem.train), problem.y[problem.train])
    expected = np.log(np.clip(oracle.predict_proba(statistics_of(problem, problem.test)), 1e-6, None))
    for model in (piped, plain):
        np.testing.assert_allclose(model.logits(problem.features, problem.test), expected, atol=1e-3)
    assert piped.scaler is None


def test_a_margin_of_two_classes_becomes_the_difference_of_two_logits(problem):
    two = np.where(problem.y == 2, 0, problem.y)
    head, job = head_of(SVC), Job(problem.train, problem.val)
    model = head.fit(problem.features, two, 2, [job], [{"layers": [2], "params": {}}])[0]
    logits = model.logits(problem.features, problem.test)
    rows = model.scaler.wide_rows(clip_statistics(problem.features, ("mean", "std"), layers=[2]), problem.test)
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], model.fitted.estimator.decision_function(rows), atol=1e-5)


def test_classes_without_training_rows_are_never_favoured_and_the_others_are_numbered_from_0(problem):
    y = problem.y + 1  # class 0 does not occur at all
    head, job = head_of(GaussianNB), problem.job()
    model = head.fit(problem.features, y, 4, [job], [{"layers": [2], "params": {}}])[0]
    assert model.fitted.estimator.classes_.tolist() == [0, 1, 2]
    logits = model.logits(problem.features, problem.test)
    assert (logits.argmax(-1) == y[problem.test]).mean() > 0.7
    assert (logits[:, 0] < logits[:, 1:].max(-1)).all()


def test_the_seed_reaches_every_random_state_and_gives_the_same_bits_again(problem):
    def make():
        return Pipeline([("forest", RandomForestClassifier(5, random_state=99))])

    head = head_of(make)
    models = head.fit(
        problem.features, problem.y, problem.n_classes, [problem.job(seed) for seed in (0, 1, 0)],
        [{"layers": [2], "params": {}}] * 3,
    )  # fmt: skip
    first, other, again = (model.logits(problem.features, problem.test) for model in models)
    assert models[1].fitted.estimator.get_params()["forest__random_state"] == 1
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_many_candidates_leave_all_layers_together_only(problem):
    def make():
        return GaussianNB(), {"var_smoothing": np.logspace(-9, 0, MOST_CANDIDATES // 6 + 1).tolist()}

    sweep = head_of(make, std=False).sweep(problem.features, problem.y, problem.n_classes, [problem.job()])[0]
    assert {tuple(choice["layers"]) for choice in sweep.candidates} == {(0, 1, 2, 3)}


def test_parameters_are_recorded_as_plain_values(problem):
    class Odd(GaussianNB):
        def __init__(self, a=None):
            super().__init__()
            self.a = a

    values = [np.float64(2.5), None, (1, "b"), SVC(), test_parameters_are_recorded_as_plain_values, object()]
    head = head_of(lambda: (Odd(), {"a": values}))
    texts = [entry["a"] for entry in head.factory.plain]
    assert texts[:4] == [2.5, "None", [1, "b"], "SVC()"]
    assert texts[4:] == ["test_parameters_are_recorded_as_plain_values", "<object object>"]
    with pytest.raises(HeadError, match="the grid of 'x' has no entry"):
        head.fit(problem.features, problem.y, 3, [problem.job()], [{"layers": [2], "params": {"a": 7}}])


# --- what it gets


class Spy(ClassifierMixin, BaseEstimator):
    """Keeps whatever it is given."""

    seen: list = []  # noqa: RUF012

    def fit(self, *arguments, **named):
        Spy.seen.append(("fit", arguments, named))
        self.k_ = len(np.unique(arguments[1]))
        arguments[0][:] = np.nan  # the head's own arrays must not be these
        return self

    def predict_proba(self, *arguments, **named):
        Spy.seen.append(("predict", arguments, named))
        return np.full((len(arguments[0]), self.k_), 1 / self.k_)


def owners(array):
    while array is not None:
        yield array
        array = getattr(array, "base", None)


@pytest.fixture
def spied(monkeypatch):
    monkeypatch.setattr(Spy, "seen", [])
    return lambda: Pipeline([("spy", Spy())])


def test_it_gets_the_training_rows_and_their_classes_and_no_other_label(problem, spied):
    head, job = head_of(spied, layers=(2,)), problem.job()
    head.sweep(problem.features, problem.y, problem.n_classes, [job])
    model = head.fit(problem.features, problem.y, problem.n_classes, [job], [{"layers": [2], "params": {}}])[0]
    (_, sweep_fit, _), (_, scored, _), *tried, (_, final_fit, _) = Spy.seen
    for arguments in (sweep_fit, final_fit):
        assert len(arguments) == 2
        np.testing.assert_array_equal(arguments[1], problem.y[problem.train])
        assert arguments[0].shape == (len(problem.train), 24)
    assert len(scored) == 1
    np.testing.assert_array_equal(scored[0], statistics_of(problem, problem.val))
    # Its scores of rows that choose are compared with and without some of them beside.
    assert [len(arguments[0]) for _, arguments, _ in tried] == [len(problem.val), (len(problem.val) + 1) // 2]
    n_before = len(Spy.seen)
    model.logits(problem.features, problem.test)
    assert len(Spy.seen) == n_before + 1
    np.testing.assert_array_equal(Spy.seen[-1][1][0], statistics_of(problem, problem.test))
    assert not any(named for *_, named in Spy.seen)
    arrays = [owner for _, arguments, _ in Spy.seen[:-1] for array in arguments for owner in owners(array)]
    assert max(map(len, arrays)) <= len(problem.train)  # none is a view of an array with more rows


# --- what it may not give


class Giving(ClassifierMixin, BaseEstimator):
    def fit(self, x, y):
        return self


def giving(name, scores):
    return type("Giving", (Giving,), {name: lambda self, x: scores(len(x))})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            giving("predict_proba", lambda n: np.ones((n, 5)) / 5),
            r"shape \(30, 5\) for 30 clips of 3 classes, expected",
        ),
        (giving("predict_proba", lambda n: np.ones(n)), r"predict_proba gives an array of shape \(30,\)"),
        (giving("predict_proba", lambda n: np.ones((3, n))), "expected \\(30, 3\\): one column for each class"),
        (giving("predict_proba", lambda n: np.full((n, 3), np.nan)), "numbers that are not finite"),
        (giving("predict_proba", lambda n: np.ones((n, 3))), "no probabilities; rows must sum to 1"),
        (giving("predict_proba", lambda n: [["a"] * 3] * n), "failed while scoring clips: ValueError"),
        (giving("decision_function", lambda n: np.full((n, 3), np.inf)), "decision_function gives numbers that are"),
        (giving("decision_function", lambda n: np.ones(n)), r"shape \(30,\) for 30 clips of 3 classes"),
        (SVC(decision_function_shape="ovo"), "scores pairs of classes; use 'ovr'"),
        (make_pipeline(SVC(decision_function_shape="ovo")), "scores pairs of classes; use 'ovr'"),
        (type("Named", (GaussianNB,), {"classes_": np.array(list("abc"))}), "names its classes .*, expected 0 to 2"),
        (SVC(C=-1), r"failed while fitting: .*InvalidParameterError: The 'C' parameter"),
    ],
)
def test_scores_that_are_none_are_refused(value, message, problem):
    if getattr(value, "__name__", "") == "Named":
        value = type("Named", (Giving,), {
            "classes_": np.array(list("abc")), "predict_proba": lambda self, x: np.ones((len(x), 3)) / 3,
        })  # fmt: skip
    with pytest.raises(PluginError, match=message):
        head_of(value, layers=(2,)).sweep(problem.features, problem.y, problem.n_classes, [problem.job()])


SHARED = LogisticRegression()


@pytest.mark.parametrize(
    "value",
    [
        lambda: SHARED,
        lambda: make_pipeline(StandardScaler(), SHARED),
        lambda: (Pipeline([("last", GaussianNB())]), {"last": [SHARED]}),
    ],
    ids=["the same object", "a part of it", "from its grid"],
)
def test_what_one_fold_learned_is_not_known_in_another(value, problem):
    # The second job trains on the first one's test rows.
    jobs = [problem.job(), Job(problem.test, problem.val)]
    head = head_of(value)
    choice = {"layers": [2], "params": type(head).factory.plain[0]}
    alone = head.fit(problem.features, problem.y, problem.n_classes, jobs[:1], [choice])[0]
    both = head.fit(problem.features, problem.y, problem.n_classes, jobs, [choice, choice])[0]
    np.testing.assert_array_equal(*(model.logits(problem.features, problem.test) for model in (alone, both)))
    assert not hasattr(SHARED, "coef_")


def test_a_part_that_a_grid_brings_gets_the_seed(problem):
    forests = {"last": [RandomForestClassifier(3)]}
    factory = type(head_of(lambda: (Pipeline([("last", GaussianNB())]), forests))).factory
    assert factory.new(factory.grid[0], 7, "x").named_steps["last"].random_state == 7


class Together(GaussianNB):
    def predict_proba(self, rows):
        return super().predict_proba(rows - rows.mean(0))


class Dice(GaussianNB):
    def predict_proba(self, rows):
        return np.random.default_rng().dirichlet([1, 1, 1], len(rows))


@pytest.mark.parametrize("value", [Together, Dice])
def test_scores_that_depend_on_other_rows_or_on_chance_are_refused(value, problem):
    with pytest.raises(PluginError, match=r"scores the same clip otherwise where other clips lie beside it, or every"):
        head_of(value, layers=(2,)).sweep(problem.features, problem.y, problem.n_classes, [problem.job()])


def test_a_sweep_without_validation_rows_is_refused(problem):
    with pytest.raises(HeadError, match="choosing layers and parameters needs validation rows"):
        head_of(SVC).sweep(problem.features, problem.y, problem.n_classes, [Job(problem.train, problem.val[:0])])
