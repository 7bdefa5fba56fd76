"""Plans as plain values, and back."""

import json
from pathlib import Path

import pytest

from ravfeat.errors import UsageError
from ravfeat.experiment.plan import FitPlan
from ravfeat.experiment.plan_file import plan_of, plan_record


def test_a_recorded_plan_comes_back_as_it_was(tmp_path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("clip_id,label\na,happy\n")
    plan = FitPlan(
        (Path("cache/voice"),),
        protocol="group5",
        heads=("audio:attentive", "face:kernel"),
        select="nested",
        seeds=3,
        layers="1-4",
        std=False,
        settings={"epochs": 2},
        labels=labels,
        allow_missing=True,
        joins=((Path("cache/a"), Path("cache/b")),),
        rule=None,
        train_views=(Path("cache/voice-published"),),
        as_written=("3", "None"),
    )
    assert plan_of(json.loads(json.dumps(plan_record(plan)))) == plan


def test_paths_of_a_recorded_plan_may_have_moved() -> None:
    plan = FitPlan((Path("old/voice"),), joins=((Path("old/a"), Path("old/b")),), train_views=(Path("old/view"),))
    moved = plan_of(plan_record(plan), where=lambda path: Path("new") / path.name)
    assert moved.caches == (Path("new/voice"),)
    assert moved.train_views == (Path("new/view"),)
    assert moved.joins == ((Path("new/a"), Path("new/b")),)


def test_another_table_of_labels_is_refused(tmp_path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("clip_id,label\na,happy\n")
    record = plan_record(FitPlan(labels=labels))
    labels.write_text("clip_id,label\na,sad\n")
    with pytest.raises(UsageError, match=r"labels.csv is not the table of labels that the run was made with"):
        plan_of(record)


def test_another_table_of_clips_is_refused(tmp_path) -> None:
    clips = tmp_path / "some.csv"
    clips.write_text("clip_id\na\n")
    record = plan_record(FitPlan(clips=clips))
    assert plan_of(record).clips == clips
    clips.write_text("clip_id\nb\n")
    with pytest.raises(UsageError, match=r"some.csv is not the table of clips that the run was made with"):
        plan_of(record)


def test_a_field_that_came_later_is_at_its_default() -> None:
    record = plan_record(FitPlan((Path("voice"),)))
    del record["train_views"]
    assert plan_of(record) == FitPlan((Path("voice"),))


def test_a_plan_of_another_version_is_refused() -> None:
    record = plan_record(FitPlan()) | {"temper": 1}
    with pytest.raises(UsageError, match=r"does not fit this version of ravfeat \(temper\)"):
        plan_of(record)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"caches": None}, "has caches = None, expected a list of paths"),
        ({"caches": "cache/voice"}, "has caches = 'cache/voice', expected a list of paths"),
        ({"joins": ["a"]}, r"has joins = \['a'\], expected lists of paths"),
        ({"heads": [1]}, r"has heads = \[1\], expected a list of names"),
        ({"protocol": None}, "has protocol = None, expected a name"),
        ({"select": "test"}, "has select = 'test', expected val or nested"),
        ({"seeds": True}, "has seeds = True, expected a number above 0"),
        ({"settings": []}, r"has settings = \[\], expected an object"),
        ({"rule": 1}, "has rule = 1, expected auto, linear, loglinear or null"),
        ({"std": 1}, "has std = 1, expected true or false"),
    ],
)
def test_a_field_of_the_wrong_kind_is_refused_by_its_name(change, message) -> None:
    with pytest.raises(UsageError, match=message):
        plan_of(plan_record(FitPlan((Path("voice"),))) | change)


def test_a_record_that_is_no_object_is_refused() -> None:
    with pytest.raises(UsageError, match="the recorded plan must be an object, got None"):
        plan_of(None)  # type: ignore[arg-type]


def test_a_table_of_labels_that_is_gone_is_named(tmp_path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("clip_id,label\na,happy\n")
    record = plan_record(FitPlan(labels=labels))
    labels.unlink()
    with pytest.raises(UsageError, match=r"is not there any more; it lay at .*labels.csv: put it back"):
        plan_of(record)


def test_a_file_of_folds_and_a_table_of_classes_are_recorded_with_their_digests(tmp_path) -> None:
    folds, classes = tmp_path / "folds.csv", tmp_path / "classes.csv"
    folds.write_text("actor,fold\n1,1\n")
    classes.write_text("label,class\na,b\n")
    record = plan_record(FitPlan((Path("c"),), protocol=str(folds), label_map=classes, where="a == 1", absent=("x",)))
    plan = plan_of(record)
    assert (plan.protocol, plan.label_map, plan.where, plan.absent) == (str(folds), classes, "a == 1", ("x",))
    assert plan_record(FitPlan((Path("c"),), protocol="group:session"))["protocol_sha256"] == ""
    folds.write_text("actor,fold\n1,2\n")
    with pytest.raises(UsageError, match=r"folds.csv is not the file of folds that the run was made with"):
        plan_of(record)
    folds.unlink()
    with pytest.raises(UsageError, match=r"the file of folds that the run was made with is not there any more; it lay"):
        plan_of(record)
