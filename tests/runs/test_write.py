"""A run's folder: whole, or as it was before."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ravfeat.cache import open_cache
from ravfeat.errors import PredictionsError, UsageError
from ravfeat.experiment.fit import FitPlan, Fitted, fit_heads
from ravfeat.features.load import load_features
from ravfeat.heads.checkpoint import load_model
from ravfeat.heads.registry import get_head
from ravfeat.predictions import Predictions, read_scores
from ravfeat.runs.write import write_run
from ravfeat.schema import METRIC_FIELDS
from ravfeat.stats import DEBIASED, METRICS
from tests.toycaches import actors_and_emotions, build_cache

HEADS = ("logreg", "attentive", "kernel")
RECIPE = {"command": "ravfeat fit-heads", "heads": list(HEADS)}


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return build_cache(tmp_path_factory.mktemp("toy"), actors_and_emotions())


@pytest.fixture(scope="module")
def fitted(cache) -> Fitted:
    return fit_heads(FitPlan((cache,), heads=HEADS, layers="1-2", settings={"epochs": 2, "hidden": 8}))


@pytest.fixture(scope="module")
def run(fitted, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "new" / "a"
    write_run(out, fitted, RECIPE)
    return out


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_a_run_holds_what_the_report_and_people_need(run) -> None:
    assert {path.name for path in run.iterdir()} == {
        "predictions.parquet", "scores.parquet", "metrics.json", "differences.json", "calibration.json", "fusion.json",
        "groups.json", "recipe.json", "layer_weights.json", "heads",
    }  # fmt: skip
    assert not leftovers(run.parent)


def test_metrics_are_a_flat_list_with_one_record_per_key_and_exactly_the_agreed_fields(run) -> None:
    records = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    keys = [tuple(record[key] for key in ("stream", "features", "head", "metric", "averaging")) for record in records]
    assert len(keys) == len(set(keys)) == (len(HEADS) + 3) * len([*METRICS, *DEBIASED.values()]) * 2
    assert all(tuple(record) == METRIC_FIELDS for record in records)


def test_predictions_and_scores_can_be_read_back(run, fitted) -> None:
    assert Predictions.read(run / "predictions.parquet").table.equals(fitted.predictions.table)
    scores = read_scores(run / "scores.parquet")
    assert {(row["seed"], row["fold"], row["split"]) for row in scores} == {
        (0, fold, split) for fold in range(-1, 6) for split in ("val", "test")
    }


def test_saved_heads_give_the_logits_that_were_predicted(run, cache, fitted) -> None:
    opened = open_cache(cache)
    predicted = {
        (row["head"], row["fold"], row["clip_id"]): row["logits"]
        for row in fitted.predictions.table.to_pylist()
        if row["split"] == "test"
    }
    for head in HEADS:
        features = load_features(opened, opened.clip_ids, get_head(head).reading)
        for fold in range(6):
            model = load_model(run / "heads" / f"audio-toy-{head}" / f"fold-{fold}-seed-0")
            wanted = [i for i, clip_id in enumerate(opened.clip_ids) if (head, fold, clip_id) in predicted]
            expected = [predicted[head, fold, opened.clip_ids[i]] for i in wanted]
            assert len(wanted) == 16
            np.testing.assert_allclose(model.logits(features, np.array(wanted)), expected, rtol=1e-4, atol=1e-5)


def test_the_recipe_says_what_was_asked_for_chosen_and_read(run) -> None:
    recipe = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
    assert recipe["command"] == "ravfeat fit-heads"
    assert recipe["protocol"] == "ravdess6"
    assert len(recipe["chosen"]) == len(HEADS) * 6
    assert all(one["chosen"] for one in recipe["chosen"])
    assert recipe["caches"][0]["identity"]["layers"] == [0, 1, 2]
    assert recipe["versions"]["torch"]


def test_learned_layer_weights_are_kept_by_layer_number(run) -> None:
    weights = json.loads((run / "layer_weights.json").read_text(encoding="utf-8"))
    attentive = [one for one in weights if one["head"] == "attentive"]
    assert len(attentive) == 6
    assert all(one["layers"] == [1, 2] and sum(one["weights"]) == pytest.approx(1) for one in attentive)


def test_a_run_is_never_replaced_unasked(fitted, tmp_path) -> None:
    write_run(tmp_path / "a", fitted, RECIPE)
    (tmp_path / "a" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="already holds a run; choose another --out, or replace it with --force"):
        write_run(tmp_path / "a", fitted, RECIPE)
    assert (tmp_path / "a" / "notes.txt").exists()
    write_run(tmp_path / "a", fitted, {"command": "again"}, force=True)
    assert json.loads((tmp_path / "a/recipe.json").read_text())["command"] == "again"
    assert not (tmp_path / "a" / "notes.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("force", [True, False])
def test_what_is_no_run_is_never_replaced(fitted, tmp_path, force) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years", encoding="utf-8")
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for name in ("thesis", "file"):
        with pytest.raises(UsageError, match=f"{name} exists and is not a run; choose another --out"):
            write_run(tmp_path / name, fitted, RECIPE, force=force)
    assert (tmp_path / "thesis" / "chapter.tex").exists()


def test_a_run_that_cannot_be_finished_leaves_the_old_one_and_nothing_else(fitted, tmp_path, monkeypatch) -> None:
    write_run(tmp_path / "a", fitted, RECIPE)
    before = {path: path.read_bytes() for path in (tmp_path / "a").rglob("*") if path.is_file()}

    def full(*_: object) -> None:
        raise PredictionsError("the disk is full")

    monkeypatch.setattr("ravfeat.runs.write.write_metrics", full)
    with pytest.raises(PredictionsError, match="the disk is full"):
        write_run(tmp_path / "a", fitted, RECIPE, force=True)
    with pytest.raises(PredictionsError, match="the disk is full"):
        write_run(tmp_path / "b", fitted, RECIPE)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_run_that_cannot_take_its_place_leaves_the_old_one_there(fitted, tmp_path, monkeypatch) -> None:
    write_run(tmp_path / "a", fitted, {"command": "old"})
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.name.endswith(".tmp") and self.is_dir():
            raise OSError("the network drive is gone")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match="the network drive is gone"):
        write_run(tmp_path / "a", fitted, {"command": "new"}, force=True)
    assert json.loads((tmp_path / "a" / "recipe.json").read_text())["command"] == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_link_stays_and_what_it_points_to_is_replaced(fitted, tmp_path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for force in (False, True):
        write_run(tmp_path / "link", fitted, RECIPE, force=force)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "recipe.json").is_file()
    assert not leftovers(tmp_path)


def test_the_folder_one_stands_in_can_be_filled(fitted, tmp_path, monkeypatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    write_run(Path(), fitted, RECIPE)
    assert (tmp_path / "here" / "recipe.json").is_file()


def test_a_run_made_from_python_has_no_command_line_and_says_so(fitted, tmp_path) -> None:
    write_run(tmp_path / "a", fitted, {})
    recipe = json.loads((tmp_path / "a" / "recipe.json").read_text(encoding="utf-8"))
    assert list(recipe)[:2] == ["format_version", "command"]
    assert (recipe["format_version"], recipe["command"]) == (1, None)


def test_a_recipe_that_could_not_be_read_again_is_not_written(fitted, tmp_path) -> None:
    with pytest.raises(PredictionsError, match=r"recipe\.json: plan is 3, expected an object"):
        write_run(tmp_path / "a", replace(fitted, about=fitted.about | {"plan": 3}), {})
    assert not list(tmp_path.iterdir())


def test_whoever_may_read_a_new_file_may_read_every_file_of_a_run(run) -> None:
    (run.parent / "new").touch()
    mode = (run.parent / "new").stat().st_mode
    assert {path.stat().st_mode for path in run.rglob("*") if path.is_file()} == {mode}
