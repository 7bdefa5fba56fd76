"""One head on two splits."""

import gc
import json
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ravfeat.errors import ProtocolError, UsageError
from ravfeat.experiment.fit import FitPlan
from ravfeat.report import build_report
from ravfeat.splits.compare import Comparison, compare_splits, write_comparison
from tests.toycaches import actors_and_emotions
from tests.writtencaches import write_cache

TAKES = actors_and_emotions(repeats=2)


@pytest.fixture(scope="module")
def paths(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("caches")
    people = 4 * np.random.default_rng(3).normal(size=(25, 1, 6)).astype(np.float32)
    middle = [replace(take, features=take.features[:, 1:2, [0, 1, 2, 3, 0, 1]]) for take in TAKES]
    middle = [replace(take, features=take.features + people[int(take.actor[-2:])]) for take in middle]
    return write_cache(folder, TAKES), write_cache(folder, middle, name="other")


@pytest.fixture(scope="module")
def comparison(paths) -> Comparison:
    return compare_splits(FitPlan(paths, heads=("logreg",), layers=None, joins=(paths,)))


@pytest.fixture(scope="module")
def out(comparison, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "splits"
    write_comparison(folder, comparison, {"command": "ravfeat compare-splits"})
    return folder


def test_every_system_is_on_both_splits_with_its_gap_and_probe(comparison) -> None:
    assert [row.system.features for row in comparison.rows] == ["other", "toy", "toy+other"]
    for row in comparison.rows:
        assert row.gap.value == pytest.approx(row.clip.value - row.actor.value)
        assert (row.gap.value_a, row.gap.value_b) == (row.clip.value, row.actor.value)
        assert row.gap.n == row.probe.n == len(TAKES)
    probes = {row.system.features: row.probe.value for row in comparison.rows}
    assert probes["other"] > 0.6  # these features know people, the others hardly
    assert probes["other"] > probes["toy+other"] > probes["toy"]
    assert comparison.clip.predictions.leaky
    assert not comparison.actor.predictions.leaky


@pytest.mark.parametrize("select", ["val", "nested"])
def test_both_splits_choose_alike_and_train_on_equally_many_clips(select, paths) -> None:
    compared = compare_splits(FitPlan(paths[1:], heads=("logreg",), select=select))
    assert [fitted.predictions.select for fitted in (compared.actor, compared.clip)] == [select, select]
    clip, actor = compared.rows[0].train_clips
    assert clip == pytest.approx(actor, rel=0.02)
    assert actor == {"val": 128, "nested": 160}[select]  # of 192


def test_features_are_read_once_for_both_splits_and_the_probe(paths, monkeypatch) -> None:
    from ravfeat.experiment import systems

    read, original = [], systems.load_features

    def watch(cache, *arguments, **options):
        read.append(cache.path)
        return original(cache, *arguments, **options)

    monkeypatch.setattr("ravfeat.experiment.systems.load_features", watch)
    compare_splits(FitPlan(paths, heads=("logreg",)))
    assert read == list(paths)


def test_features_of_a_system_are_forgotten_before_those_of_the_next_are_read(paths, monkeypatch) -> None:
    from ravfeat.experiment import load

    kept, still_there, original = [], [], load.load_system

    def watch(plan, system, reading):
        gc.collect()
        still_there.append([name for name, features in kept if features() is not None])
        features = original(plan, system, reading)
        kept.append((system.features, weakref.ref(features)))
        return features

    monkeypatch.setattr("ravfeat.experiment.load.load_system", watch)
    compare_splits(FitPlan(paths, heads=("logreg", "attentive"), settings={"epochs": 2, "hidden": 8}))
    assert [name for name, _ in kept] == ["toy", "toy", "other", "other"]  # pooled and in frames
    assert still_there == [[], ["toy"], [], ["other"]]


def test_other_heads_are_compared_and_probed_too(paths) -> None:
    plan = FitPlan(paths[1:], heads=("attentive",), settings={"epochs": 2, "hidden": 8})
    (row,) = compare_splits(plan).rows
    assert row.system.head == "attentive"
    assert row.probe is not None


def test_a_cache_that_the_probe_cannot_read_is_compared_without(tmp_path) -> None:
    pooled = write_cache(tmp_path, TAKES, pooled=("mean", "std"))
    plan = FitPlan((pooled,), heads=("attentive",), settings={"epochs": 2, "hidden": 8})
    (row,) = compare_splits(plan).rows
    assert row.probe is None
    assert "holds pooled ['mean', 'std'], the head needs ['speed']" in row.no_probe


# --- what is refused


def test_the_clip_split_is_not_compared_with_itself(paths) -> None:
    with pytest.raises(UsageError, match="'clip6' is what is compared with: give one that keeps actors apart"):
        compare_splits(FitPlan(paths, protocol="clip6", heads=("logreg",)))


def test_folds_of_uneven_size_are_refused_before_training(paths, monkeypatch) -> None:
    monkeypatch.setattr("ravfeat.splits.compare.train", pytest.fail)
    with pytest.raises(UsageError, match=r"'luna5' trains on 122 clips of toy per fold, 'random5' on 115: the gap"):
        compare_splits(FitPlan(paths, protocol="luna5", heads=("logreg",)))


@pytest.mark.parametrize(("protocol", "select", "twin"), [("group4", "val", "random4"), ("loso", "nested", "random24")])
def test_the_clip_split_has_as_many_folds_and_chooses_alike(protocol, select, twin, paths, monkeypatch) -> None:
    prepared = []

    def keep(actor, clip, _bar):
        prepared[:] = [actor, clip]
        raise KeyboardInterrupt

    monkeypatch.setattr("ravfeat.splits.compare._compare_system", keep)
    with pytest.raises(KeyboardInterrupt):
        compare_splits(FitPlan(paths, protocol=protocol, heads=("logreg",)))
    actor, clip = prepared
    assert (clip.protocol.name, clip.protocol.leaky) == (twin, True)
    assert {actor.select, clip.select} == {select}
    assert len(actor.systems[0].folds) == len(clip.systems[0].folds)


def test_a_single_fold_has_no_counterpart_of_random_clips(paths, tmp_path) -> None:
    split = tmp_path / "split.csv"
    split.write_text("actor,split\n" + "\n".join(f"{n},{'test' if n < 7 else 'train'}" for n in range(1, 25)))
    with pytest.raises(UsageError, match=r"has 1 fold, and random clips are compared over three or more"):
        compare_splits(FitPlan(paths, protocol=str(split), heads=("logreg",)))


def test_other_people_are_sent_to_six_groups_which_work(tmp_path) -> None:
    people = [replace(take, actor=f"mine:p{take.actor[-2:]}", gender="") for take in TAKES[:96]]
    path = write_cache(tmp_path, people, corpus="mine")
    with pytest.raises(ProtocolError, match="To compare it with 'clip6' take group6"):
        compare_splits(FitPlan((path,), heads=("logreg",)))
    (row,) = compare_splits(FitPlan((path,), protocol="group6", heads=("logreg",))).rows
    assert row.probe.n_actors == 12


# --- on the disk


def test_a_comparison_holds_two_runs_a_table_and_a_drawing(out) -> None:
    assert {path.name for path in out.iterdir()} == {
        "actor", "clip", "splits.json", "splits.md", "splits.png", "splits.svg"
    }  # fmt: skip
    assert json.loads((out / "clip" / "recipe.json").read_text())["leaky"]
    assert not json.loads((out / "actor" / "recipe.json").read_text())["leaky"]
    assert [path.name for path in out.parent.iterdir()] == ["splits"]


def test_the_record_has_the_numbers_of_the_runs_and_says_which_are_leaky(out) -> None:
    splits = json.loads((out / "splits.json").read_text())
    assert (splits["protocol"], splits["clip_protocol"], splits["select"]) == ("ravdess6", "clip6", "val")
    for name, split in (("actor", "actor_split"), ("clip", "clip_split")):
        records = json.loads((out / name / "metrics.json").read_text())
        values = {r["features"]: r["value"] for r in records if (r["metric"], r["averaging"]) == ("uar", "pooled")}
        assert {one["features"]: one[split]["value"] for one in splits["systems"]} == pytest.approx(values)
        assert {one[split]["leaky"] for one in splits["systems"]} == {name == "clip"}


@pytest.mark.usefixtures("blank_figures")
def test_the_report_pairs_both_runs(out, tmp_path) -> None:
    page = build_report([out / "actor", out / "clip"], tmp_path / "report")
    text = (page.parent / "report.md").read_text(encoding="utf-8")
    gaps = [
        line for line in text.splitlines() if line.startswith("| face / toy+other / logreg") and "clip6 LEAKY" in line
    ]
    assert any("ravdess6: 0." in line for line in gaps)


def test_what_is_no_comparison_is_never_replaced(comparison, out, tmp_path) -> None:
    with pytest.raises(UsageError, match="already holds a comparison of splits; choose another --out, or replace it"):
        write_comparison(out, comparison, {})
    (tmp_path / "thesis.tex").write_text("years", encoding="utf-8")
    with pytest.raises(UsageError, match="exists and is not a comparison of splits"):
        write_comparison(tmp_path, comparison, {}, force=True)
    write_comparison(out, comparison, {"command": "again"}, force=True)
    assert json.loads((out / "clip" / "recipe.json").read_text())["command"] == "again"
