"""Heads of a user's own code: which is a classifier, which a network, and what is neither."""

from functools import partial

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import SVC
from torch import nn

from ravfeat.errors import HeadError, PluginError, UsageError
from ravfeat.heads.checkpoint import is_kept, load_model, save_model
from ravfeat.heads.own_heads import absent_kind, own_kind
from ravfeat.heads.registry import HEADS, head_of
from ravfeat.plugins import Brought


def brought(value, digest="0" * 64):
    return Brought(value, "mine.py:X", digest, {"scikit-learn": "1.5"})


class Mean(nn.Module):
    def __init__(self, n_layers, dim, n_classes):
        super().__init__()
        self.out = nn.Linear(n_layers * dim, n_classes)

    def forward(self, frames, mask):
        return self.out((frames.sum(1) / mask.sum(1)[:, None, None]).flatten(1))


def gridded():
    return SVC()


gridded.grid = {"C": [1, 2]}


class WithGrid(GaussianNB):
    grid = {"var_smoothing": [1e-9, 1e-3]}  # noqa: RUF012


@pytest.mark.parametrize(
    ("value", "kind", "candidates"),
    [
        (SVC, "classifier", 1),
        (SVC(C=3), "classifier", 1),
        (WithGrid, "classifier", 2),
        (gridded, "classifier", 2),
        (lambda: (SVC(), [{"C": [1, 2]}, {"kernel": ["linear"]}]), "classifier", 3),
        (partial(SVC, C=4), "classifier", 1),
        (Mean, "network", 0),
        (lambda n_layers, dim, n_classes: Mean(n_layers, dim, n_classes), "network", 0),
        (lambda a, b, c, width=3: Mean(a, b, c), "network", 0),
    ],
)
def test_a_classifier_is_told_from_a_network(value, kind, candidates):
    made = own_kind(brought(value), "x")
    assert made.kind == kind
    assert made.name == "x"
    if kind == "classifier":
        assert len(made.factory.grid) == candidates


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, "'mine.py:X' is a value of the type 'int'; expected a scikit-learn classifier"),
        ({"C": 1}, "is a value of the type 'dict'"),
        (lambda: None, "gives a value of the type 'NoneType' without arguments"),
        (lambda: SVC, "gives the class SVC without arguments"),
        (lambda: nn.Linear(2, 2), "gives a value of the type 'Linear' without arguments; expected"),
        (lambda a, b: a, r"failed while being called without arguments: TypeError"),
        (lambda: 1 / 0, r"ZeroDivisionError: division by zero \(.*test_own_heads.py, line"),
        (lambda: (SVC(), {"gama": [1]}), "being made with the parameters of its grid: ValueError: Invalid parameter"),
        (lambda: (SVC(), {"C": 1}), "failed while its grid was read"),
        (lambda: (SVC(), {"C": []}), "failed while its grid was read"),
        (lambda: (SVC(), {"C": [1, 1]}), "a grid of 2 entries, expected one or more, of which no two look alike"),
        (lambda: (SVC(), []), "a grid of 0 entries"),
    ],
)
def test_what_is_neither_is_refused_before_anything_is_trained(value, message):
    with pytest.raises(PluginError, match=message):
        own_kind(brought(value), "x")


def test_a_regressor_is_refused_when_it_has_no_scores(problem):
    head = own_kind(brought(LinearRegression), "x")()
    with pytest.raises(PluginError, match="LinearRegression, which has neither predict_proba nor decision_function"):
        head.sweep(problem.features, problem.y, problem.n_classes, [problem.job()])


def test_only_what_takes_a_seed_is_trained_for_every_seed():
    assert own_kind(brought(SVC), "x").seeded
    assert not own_kind(brought(GaussianNB), "x").seeded
    assert own_kind(brought(Mean), "x").seeded


# --- code that nobody asked to run


@pytest.mark.parametrize("value", [GaussianNB, Mean])
def test_a_record_gives_a_head_that_is_known_and_never_trains(value, problem):
    made = own_kind(brought(value), "x")
    absent = absent_kind(made.record(), "x")
    assert absent.record() == made.record()
    assert absent.is_absent()
    assert absent().reading == made().reading
    with pytest.raises(HeadError, match=r"own code, mine.py:X, which is run only where it is asked for; give --head"):
        absent().sweep(problem.features, problem.y, problem.n_classes, [problem.job()])


@pytest.mark.parametrize("change", [{"kind": "magic"}, {"seeded": 1}, {"reference": ""}, {"versions": []}])
def test_a_record_of_something_else_is_refused(change):
    record = {**own_kind(brought(SVC), "x").record(), **change}
    with pytest.raises(UsageError, match="the recorded head 'x'"):
        absent_kind(record, "x")


# --- files


def test_a_network_is_restored_by_the_same_code_only(problem, tmp_path):
    kind = own_kind(brought(Mean), "mean")
    model = kind(epochs=1).fit(problem.features, problem.y, problem.n_classes, [problem.job()], [{"epochs": 1}])[0]
    save_model(tmp_path / "head", model)
    again = load_model(tmp_path / "head", kinds={**HEADS, "mean": kind})
    np.testing.assert_array_equal(
        again.logits(problem.features, problem.test), model.logits(problem.features, problem.test)
    )
    with pytest.raises(HeadError, match=r"'mean' is a user's own code, mine.py:X, which is no part of its files"):
        load_model(tmp_path / "head")
    with pytest.raises(HeadError, match=r"give --head mine.py:X"):
        load_model(tmp_path / "head", kinds={"mean": absent_kind(kind.record(), "mean")})
    with pytest.raises(HeadError, match=r"SHA-256 000000000000…, the code at hand 111111111111…"):
        load_model(tmp_path / "head", kinds={"mean": own_kind(brought(Mean, "1" * 64), "mean")})
    with pytest.raises(HeadError, match="no head 'mean'; choose from attentive"):
        head_of(model.recipe)


def test_a_classifier_is_not_kept_and_leaves_no_file(problem, tmp_path):
    head = own_kind(brought(GaussianNB), "nb")()
    choice = {"layers": [2], "params": {}}
    model = head.fit(problem.features, problem.y, problem.n_classes, [problem.job()], [choice])[0]
    assert not is_kept(model)
    with pytest.raises(HeadError, match="could be kept as a pickle only: a run keeps its predictions"):
        save_model(tmp_path / "head", model)
    assert not list(tmp_path.iterdir())
    with pytest.raises(HeadError, match="as a pickle only"):
        head.restore({}, model.recipe)
    with pytest.raises(HeadError, match="as a pickle only"):
        head.array_kinds(model.recipe)
