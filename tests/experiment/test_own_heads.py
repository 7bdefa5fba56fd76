"""Heads of a user's own code in a plan: loaded on a user's word, recorded, and never on the word of a recipe."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import Pipeline

from ravfeat.cache import open_cache
from ravfeat.errors import HeadError, PluginError, UsageError
from ravfeat.experiment.build import check_plan
from ravfeat.experiment.fit import FitPlan, fit_heads
from ravfeat.experiment.own_heads import bring_heads, with_code
from ravfeat.experiment.plan_file import plan_of, plan_record
from ravfeat.features.load import load_features
from ravfeat.features.statistics import clip_statistics
from ravfeat.heads.own_heads import own_kind
from ravfeat.plugins import Brought
from tests.toycaches import actors_and_emotions
from tests.writtencaches import write_cache

SOURCE = """\
from pathlib import Path

from sklearn.naive_bayes import GaussianNB
from torch import nn

with Path(__file__).with_suffix(".log").open("a") as log:
    log.write("ran ")


def svc():
    return GaussianNB(), {"var_smoothing": [1e-9, 1e-3]}


class Net(nn.Module):
    def __init__(self, n_layers, dim, n_classes):
        super().__init__()
        self.out = nn.Linear(n_layers * dim, n_classes)

    def forward(self, frames, mask):
        return self.out(frames.sum(1).flatten(1) / mask.sum(1, keepdim=True))
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return write_cache(tmp_path_factory.mktemp("own"), actors_and_emotions(), stream="audio")


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(SOURCE)
    return path


def plan_for(cache: Path, *entries: str, **options) -> FitPlan:
    heads, brought = bring_heads(entries)
    settings = {"epochs": 1} if any(kind.kind == "network" for kind in brought.values()) else {}
    return FitPlan((cache,), heads=heads, brought=brought, protocol="group3", settings=settings, layers="1", **options)


def test_names_are_short_plain_and_of_one_head_each(file, tmp_path) -> None:
    other = tmp_path / "other.py"
    other.write_text(SOURCE + "\n\ndef logreg():\n    return svc()\n\n\nMy_ÄGRU = svc\n")
    entries = [f"audio:{file}:Net", f"face:{file}:Net", "kernel", f"{file}:svc", f"{other}:svc", f"{other}:logreg"]
    heads, brought = bring_heads([*entries, f"{other}:My_ÄGRU", "voice:logreg"])
    digest = brought["my-gru"].brought.source_sha256[:6]
    expected = ["audio:net", "face:net", "kernel", "svc", f"svc-{digest}", f"logreg-{digest}", "my-gru"]
    assert list(heads) == [*expected, "voice:logreg"]
    assert sorted(brought) == sorted({name.rpartition(":")[2] for name in expected} - {"kernel"})


def test_names_that_differ_by_case_alone_are_of_several_heads(tmp_path) -> None:
    path = tmp_path / "cases.py"
    path.write_text("from sklearn.naive_bayes import GaussianNB as SVC\nSvc = svc = SVC\n")
    heads, brought = bring_heads([f"{path}:SVC", f"{path}:Svc", f"{path}:svc"])
    assert len(set(heads)) == len(brought) == 3


REMEMBERS = """\
import numpy as np

SEEN, CLASSES = [], []


class Nearest:
    def fit(self, rows, classes):
        SEEN.extend(rows)
        CLASSES.extend(classes)

    def predict_proba(self, rows):
        seen = np.array([row[: rows.shape[1]] for row in SEEN if len(row) == rows.shape[1]])
        classes = np.array([one for row, one in zip(SEEN, CLASSES) if len(row) == rows.shape[1]])
        nearest = ((rows[:, None] - seen) ** 2).sum(-1).argmin(1)
        return np.eye(max(CLASSES) + 1)[classes[nearest]]
"""


def test_a_file_that_remembers_what_it_was_given_knows_no_other_fold(cache, tmp_path) -> None:
    # Every fold's test rows train in the others: who remembers them would score 1.
    forgets = REMEMBERS.replace("SEEN.extend", "SEEN.clear(), CLASSES.clear(), SEEN.extend")
    runs = []
    for name, source in (("remembers.py", REMEMBERS), ("forgets.py", forgets)):
        (tmp_path / name).write_text(source)
        runs.append(fit_heads(plan_for(cache, f"{tmp_path / name}:Nearest")))
    logits = [run.predictions.table["logits"].to_pylist() for run in runs]
    assert logits[0] == logits[1]


def test_a_package_brings_a_head_by_its_name(tmp_path, monkeypatch) -> None:
    (tmp_path / "toyown.py").write_text(
        "from sklearn.naive_bayes import GaussianNB\n\n\ndef svc():\n    return GaussianNB()\n"
    )
    info = tmp_path / "toyown-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toyown\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[ravfeat.heads]\ntoy-svc = toyown:svc\nlogreg = toyown:svc\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    heads, brought = bring_heads(["audio:toy-svc", "logreg"])
    assert heads == ("audio:toy-svc", "logreg")
    assert brought.keys() == {"toy-svc"}  # a head of ravfeat's own is never replaced
    assert brought["toy-svc"].brought.reference == "toyown:svc"
    with pytest.raises(
        UsageError, match=r"no head 'forest'; choose from attentive, .*, toy-svc, or give one of your own"
    ):
        check_plan(FitPlan(heads=("forest",)))


def test_a_run_of_both_kinds_beside_ours_is_recorded_and_known_again_without_running_code(cache, file) -> None:
    plan = plan_for(cache, f"{file}:svc", f"{file}:Net", "logreg", seeds=2)
    fitted = fit_heads(plan)
    systems = {system.head: list(fitted.predictions.seeds(system)) for system in fitted.predictions.systems()}
    assert systems | {"logreg": [0], "net": [0, 1], "svc": [0]} == systems
    assert "net+logreg+svc" in systems or "logreg+net+svc" in systems  # they are fused as all are
    record = json.loads(json.dumps(fitted.about["plan"]))
    assert record["heads"] == ["svc", "net", "logreg"]
    assert record["brought"]["svc"]["reference"] == f"{file}:svc"
    assert {"scikit-learn", "torch"} <= record["brought"]["svc"]["versions"].keys()
    chosen = [trained.model.recipe["chosen"] for trained in fitted.models if trained.head == "svc"]
    assert {choice["params"]["var_smoothing"] for choice in chosen} <= {1e-9, 1e-3}

    runs = file.with_suffix(".log").read_text()
    known = plan_of(record)
    assert plan_record(known) == record
    with pytest.raises(HeadError, match=r"own code, .*mine.py:svc, which is run only where it is asked for"):
        fit_heads(known)
    assert file.with_suffix(".log").read_text() == runs

    again = fit_heads(with_code(known, [f"{file}:svc", f"{file}:Net"]))
    assert again.predictions.table.equals(fitted.predictions.table)


def test_code_that_has_changed_or_is_another_is_refused(cache, file) -> None:
    known = plan_of(plan_record(plan_for(cache, f"{file}:svc")))
    with pytest.raises(UsageError, match=r"mine.py:Net' is no head of the run; its own code was: .*mine.py:svc"):
        with_code(known, [f"{file}:Net"])
    with pytest.raises(UsageError, match="'logreg' is no head of the run"):
        with_code(known, ["logreg"])
    file.write_text(SOURCE + "\n")
    with pytest.raises(UsageError, match=r"mine.py:svc' has changed since the run was made: its source has SHA-256"):
        with_code(known, [f"{file}:svc"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"svc": {"reference": 3}}, "the recorded head 'svc'"),
        ({"svc": "mine.py:svc"}, "the recorded head 'svc'"),
        ({"../../x": {}}, "the recorded plan's own head is '../../x', expected a plain name"),
        ({"logreg": {}}, "brings a head 'logreg', which is the name of a head of ravfeat"),
    ],
)
def test_a_recipe_that_records_something_else_is_refused(change, message, cache, file) -> None:
    record = plan_record(plan_for(cache, f"{file}:svc"))
    with pytest.raises(UsageError, match=message):
        plan_of({**record, "brought": change})


def test_an_unknown_head_is_answered_with_all_there_are_and_the_way_to_bring_one(cache) -> None:
    with pytest.raises(
        UsageError, match=r"no head 'forest'; choose from attentive, .*mlp.*one of your own: path.py:NAME"
    ):
        fit_heads(plan_for(cache, "forest"))
    with pytest.raises(PluginError, match="'math:gcd' gives a value of the type 'int' without arguments; expected"):
        bring_heads(["math:gcd"])


# --- what code of a user's own gets to see


class Spy(ClassifierMixin, BaseEstimator):
    fits: list = []  # noqa: RUF012

    def fit(self, x, y):
        self.n_ = len(np.unique(y))
        self.fitted = ({row.tobytes() for row in x}, y.copy())
        Spy.fits.append(self.fitted)  # jobs are fitted side by side: the last one there may be another's
        return self

    def predict_proba(self, x):
        # Whatever it knows of the rows to score is what it was fitted on, and none of these was.
        assert not self.fitted[0] & {row.tobytes() for row in x}
        return np.full((len(x), self.n_), 1 / self.n_)


@pytest.mark.parametrize("select", ["val", "nested"])
def test_a_fit_sees_no_clip_of_an_actor_that_its_fold_tests_and_no_label_of_one(select, cache, monkeypatch) -> None:
    monkeypatch.setattr(Spy, "fits", [])
    kind = own_kind(Brought(lambda: Pipeline([("spy", Spy())]), "mine.py:spy", "0" * 64, {}), "spy")
    plan = FitPlan((cache,), heads=("spy",), brought={"spy": kind}, protocol="group3", select=select, layers="1")
    fitted = fit_heads(plan)
    opened = open_cache(cache)
    features = load_features(opened, opened.clip_ids, kind(layers=(1,)).reading)
    rows = clip_statistics(features, ("mean", "std"), layers=[1]).reshape(len(features), -1).astype(np.float32)
    records = list(opened.records().values())
    record_of = {row.tobytes(): record for row, record in zip(rows, records, strict=True)}
    tested = {
        fold: {record.actor for record in records if record.clip_id in ids}
        for fold, ids in _test_clips(fitted.predictions).items()
    }
    assert len(Spy.fits) == (6 if select == "val" else 18)
    for seen, y in Spy.fits:
        clips = [record_of[row] for row in seen]
        assert len(y) == len(clips)
        actors = {clip.actor for clip in clips}
        # Every fit belongs to some fold, and none saw an actor of its test clips; nor a label of anybody else.
        assert [fold for fold, held_out in tested.items() if not held_out & actors]
        counts = sorted(np.bincount(y).tolist())
        assert counts == sorted(np.unique([clip.label for clip in clips], return_counts=True)[1].tolist())


def _test_clips(predictions) -> dict[int, set[str]]:
    table = predictions.table.to_pylist()
    folds = {row["fold"] for row in table}
    return {fold: {row["clip_id"] for row in table if row["fold"] == fold and row["split"] == "test"} for fold in folds}
