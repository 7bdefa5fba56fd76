"""Means over a clip and its views: what a test clip says rests on itself and its own views, and these never train."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ravfeat.errors import LeakError, UsageError
from ravfeat.experiment.fit import FitPlan, Fitted, fit_heads, prepare
from ravfeat.experiment.load import load_training
from ravfeat.experiment.plan_file import plan_of, plan_record
from ravfeat.features.clips import Reading
from ravfeat.features.training_rows import TrainingRows
from ravfeat.heads import registry
from ravfeat.media.augment import View
from tests.bothhead import BothHead
from tests.toycaches import Take, actors_and_emotions
from tests.writtencaches import write_cache

SLOW, FAST = View.written("speed:0.9").name, View.written("speed:1.1").name
QUICK = {
    "logreg": {"grid": (3.0, 10.0)},
    "kernel": {"gammas": (0.5,), "alphas": (0.1, 0.3)},
    "attentive": {"epochs": 2, "hidden": 8},
}
SPOILT = "11-02"
AVERAGES = ("scores", "statistics")


@pytest.fixture(scope="module")
def takes() -> list[Take]:
    return [replace(take, features=take.features[:, 1:2]) for take in actors_and_emotions()]


def heard(takes: Sequence[Take], seed: int, spoilt: str = "") -> list[Take]:
    """The takes as a view hears them; one of them as nothing there is."""
    rng = np.random.default_rng(seed)
    noise = [rng.normal(size=take.features.shape).astype(np.float32) for take in takes]
    return [
        replace(take, features=take.features + (50 if take.clip_id == spoilt else 0.3) * part)
        for take, part in zip(takes, noise, strict=True)
    ]


def written(folder: Path, takes: Sequence[Take], spoilt: str = "") -> tuple[Path, tuple[Path, ...]]:
    """A cache and two views of it; one clip is another one in all three."""
    said = [replace(take, features=take.features + 9 * (take.clip_id == spoilt)) for take in takes]
    clean = write_cache(folder, takes, stream="audio", view="clean", heard=said)
    views = [
        write_cache(folder, takes, stream="audio", view=view, heard=heard(said, seed, spoilt))
        for seed, view in enumerate((SLOW, FAST))
    ]
    return clean, tuple(views)


@pytest.fixture(scope="module")
def caches(takes, tmp_path_factory) -> tuple[Path, tuple[Path, ...]]:
    return written(tmp_path_factory.mktemp("as-it-is"), takes)


@pytest.fixture(scope="module")
def spoilt(takes, tmp_path_factory) -> tuple[Path, tuple[Path, ...]]:
    return written(tmp_path_factory.mktemp("spoilt"), takes, SPOILT)


def plan_for(caches: tuple[Path, tuple[Path, ...]], average: str, head: str, **options: Any) -> FitPlan:
    clean, views = caches
    return FitPlan((clean,), train_views=views, average_views=average, heads=(head,), settings=QUICK[head], **options)


def rows_of(fitted: Fitted, split: str) -> dict[tuple[int, str], list[float]]:
    rows = fitted.predictions.table.to_pylist()
    return {(row["fold"], row["clip_id"]): row["logits"] for row in rows if row["split"] == split}


def models(fitted: Fitted, fold: int) -> list[dict[str, Any]]:
    return [one.model.arrays() | {"recipe": one.model.recipe} for one in fitted.models if one.fold == fold]


CASES = [
    ("scores", "logreg", "val"),
    ("scores", "kernel", "nested"),
    pytest.param("scores", "attentive", "val", marks=pytest.mark.slow),
    pytest.param("statistics", "logreg", "nested", marks=pytest.mark.slow),
    ("statistics", "kernel", "val"),
]


@pytest.mark.parametrize(("average", "head", "select"), CASES)
def test_a_test_clip_and_its_views_change_no_model_and_no_other_row(average, head, select, caches, spoilt) -> None:
    before, after = (fit_heads(plan_for(paths, average, head, select=select)) for paths in (caches, spoilt))
    (fold,) = {fold for fold, clip_id in rows_of(before, "test") if clip_id == SPOILT}
    np.testing.assert_equal(models(before, fold), models(after, fold))
    said, said_after = (
        {clip_id: logits for (of, clip_id), logits in rows_of(fitted, "test").items() if of == fold}
        for fitted in (before, after)
    )
    assert said.pop(SPOILT) != said_after.pop(SPOILT)
    assert said == said_after
    vals = [{key: value for key, value in rows_of(one, "val").items() if key[0] == fold} for one in (before, after)]
    assert vals[0] == vals[1]
    others = {one.fold for one in before.models} - {fold}
    assert any(str(models(before, other)) != str(models(after, other)) for other in others)  # elsewhere it trains


@pytest.mark.parametrize(("head", "select"), [("attentive", "val"), ("kernel", "nested")])
def test_scores_are_the_mean_over_a_clip_and_its_views(head, select, caches) -> None:
    plan = plan_for(caches, "scores", head, select=select)
    (system,) = prepare(plan).systems
    fitted = fit_heads(plan)
    features = load_training(plan, system, registry.get_head(head, **plan.settings).reading)
    said = rows_of(fitted, "test")
    for one in fitted.models:
        fold = next(fold for fold in system.folds if fold.number == one.fold)
        each = [one.model.logits(features, fold.test + 96 * view) for view in range(3)]
        expected = np.mean(each, axis=0)
        got = np.stack([said[one.fold, system.clips.records[row].clip_id] for row in fold.test])
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_validation_scores_that_choose_are_means_too(caches) -> None:
    plan = plan_for(caches, "scores", "attentive")
    (system,) = prepare(plan).systems
    fitted = fit_heads(plan)
    features = load_training(plan, system, registry.get_head("attentive", **plan.settings).reading)
    said = rows_of(fitted, "val")
    for one in fitted.models:
        val = next(fold for fold in system.folds if fold.number == one.fold).val
        expected = np.mean([one.model.logits(features, val + 96 * view) for view in range(3)], axis=0)
        got = np.stack([said[one.fold, system.clips.records[row].clip_id] for row in val])
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_scores_are_averaged_and_training_is_as_without(caches) -> None:
    alone, mean = (fit_heads(plan_for(caches, average, "kernel", layers="0")) for average in ("none", "scores"))
    chosen = [[one.model.recipe["chosen"] for one in fitted.models] for fitted in (alone, mean)]
    same = [number for number, (a, b) in enumerate(zip(*chosen, strict=True)) if a == b]
    assert same
    for number in same:
        np.testing.assert_equal(*(fitted.models[number].model.arrays() for fitted in (alone, mean)))
    assert rows_of(alone, "test").keys() == rows_of(mean, "test").keys()
    assert rows_of(alone, "test") != rows_of(mean, "test")


def test_averaged_statistics_are_one_row_a_clip(caches, takes) -> None:
    plan = plan_for(caches, "statistics", "logreg")
    (system,) = prepare(plan).systems
    features = load_training(plan, system, Reading(statistics=("mean", "max")))
    assert (len(features), len(system.rows.origin)) == (96, 96)
    for row in (0, 50):
        takes_of_row = [one[row].features for one in (takes, heard(takes, 0), heard(takes, 1))]
        expected = np.mean([np.concatenate([x.mean(0), x.max(0)], axis=-1) for x in takes_of_row], axis=0)
        np.testing.assert_allclose(features.frames[row], expected, rtol=1e-4, atol=1e-5)


def test_a_view_that_lacks_clips_counts_where_it_is(caches, takes, tmp_path) -> None:
    clean, (slow, _) = caches
    some = write_cache(tmp_path, takes, stream="audio", view=FAST, heard=heard(takes, 1), lost=("01-00",))
    plans = [plan_for((clean, (slow, some)), average, "logreg", allow_missing=True) for average in AVERAGES]
    assert all(len(rows_of(fit_heads(plan), "test")) == 96 for plan in plans)
    (system,) = prepare(plans[1]).systems
    means = load_training(plans[1], system, Reading(statistics=("mean",))).frames
    two = [one[0].features.mean(0) for one in (takes, heard(takes, 0))]
    np.testing.assert_allclose(means[0], np.mean(two, axis=0), rtol=1e-4, atol=1e-5)


def test_a_pooled_cache_averages_its_statistics(takes, tmp_path) -> None:
    pooled = {"stream": "audio", "pooled": ("mean", "std")}
    clean = write_cache(tmp_path, takes, **pooled)
    view = write_cache(tmp_path, takes, view=SLOW, heard=heard(takes, 0), **pooled)
    plan = plan_for((clean, (view,)), "statistics", "logreg")
    (system,) = prepare(plan).systems
    features = load_training(plan, system, Reading(statistics=("mean", "std")))
    expected = np.mean([one[3].features.std(0) for one in (takes, heard(takes, 0))], axis=0)
    np.testing.assert_allclose(features.frames[3][:, 4:], expected, rtol=1e-4, atol=1e-5)
    assert len(rows_of(fit_heads(plan), "test")) == 96


@pytest.mark.parametrize("average", AVERAGES)
def test_heads_over_several_streams_average_what_has_views(average, caches, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(registry.HEADS, BothHead.name, BothHead)
    clean, views = caches
    face = write_cache(tmp_path, [replace(take, performance_id=take.clip_id) for take in actors_and_emotions(seed=3)])
    plan = FitPlan((clean, face), train_views=views, average_views=average, heads=("both",))
    (system,) = prepare(plan).systems
    assert system.features == f"toy@mean-{average}+toy" or system.features.startswith("toy-")
    features = load_training(plan, system, BothHead().reading)
    rows = 96 * (3 if average == "scores" else 1)
    assert (len(features), len(features.also[0])) == (rows, rows)
    plain = load_training(replace(plan, average_views="none"), replace(system, average="none"), BothHead().reading)
    np.testing.assert_array_equal(features.also[0].frames[:96], plain.also[0].frames[:96])
    assert len(rows_of(fit_heads(plan), "test")) == 96


# --- the record


@pytest.mark.parametrize("average", AVERAGES)
def test_the_record_and_the_name_say_what_was_averaged(average, caches) -> None:
    plan = plan_for(caches, average, "logreg")
    fitted = fit_heads(plan)
    (about,), (system,) = fitted.about["caches"], fitted.predictions.systems()
    names = f"clean + {SLOW} + {FAST}"
    assert (about["average_views"], about["tested_on"]) == (average, f"the mean {average} of {names}")
    assert about["trained_on"] == (names if average == "scores" else f"the mean statistics of {names}")
    assert system.features == f"toy@mean-{average}"
    assert plan_of(plan_record(plan)).average_views == average


def test_without_averages_nothing_is_called_otherwise(caches) -> None:
    plan = plan_for(caches, "none", "logreg")
    (system,) = prepare(plan).systems
    about = system.about()
    assert (system.features, about["average_views"], about["tested_on"]) == ("toy", "none", "clean")
    record = plan_record(plan)
    record.pop("average_views")  # as earlier versions wrote it
    assert plan_of(record).average_views == "none"


# --- what is refused


def test_averages_need_views(caches) -> None:
    with pytest.raises(UsageError, match="--average-views averages over the views of --train-views, got none"):
        prepare(FitPlan((caches[0],), average_views="scores"))


def test_frames_have_no_statistics_to_average(caches) -> None:
    with pytest.raises(UsageError, match=r"the head 'attentive' reads frames; average its scores \(--average-views sc"):
        prepare(plan_for(caches, "statistics", "attentive"))


def test_a_view_of_a_test_clip_cannot_be_handed_to_a_head_for_training(caches) -> None:
    rows = TrainingRows.of(4, [np.arange(4)], averages=True)
    with pytest.raises(LeakError, match="a view is dealt into a fold as a clip"):
        rows.extend(np.array([0, 6]), [np.array([2])])
    with pytest.raises(LeakError, match="row 6 is judged"):
        rows.extend(np.array([0]), [rows.scored(np.array([2]))])


def test_the_active_part_of_a_cropped_view_is_not_pooled(takes, tmp_path) -> None:
    active = {take.clip_id: (0.2, 0.8) for take in takes}
    clean, slow, crop = (
        write_cache(tmp_path, takes, stream="audio", view=view, active=active)
        for view in ("clean", SLOW, View("crop", 1).name)
    )
    plan = replace(plan_for((clean, (slow, crop)), "scores", "logreg"), settings={"parts": ("active",)})
    with pytest.raises(UsageError, match="holds the view 'crop-1:seed1', which leaves out a part of every clip"):
        prepare(plan)
    prepare(replace(plan, train_views=(slow,)))
    prepare(replace(plan, settings={}))
