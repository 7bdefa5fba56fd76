from collections.abc import Callable
from pathlib import Path

import pytest

from ravfeat.errors import PredictionsError
from ravfeat.runs.read import find, read_runs

Make = Callable[..., Path]


@pytest.mark.parametrize(
    "name",
    [
        "predictions.parquet",
        "metrics.json",
        "scores.parquet",
        "recipe.json",
        "calibration.json",
        "differences.json",
    ],
)
def test_a_missing_file_is_named(make_run: Make, name: str) -> None:
    run = make_run(heads={"logreg": 1.0})
    (run / name).unlink()
    with pytest.raises(PredictionsError, match=f"is not a finished run: {name} missing"):
        read_runs([run])


def test_something_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PredictionsError, match="nowhere is not a folder"):
        read_runs([tmp_path / "nowhere"])


def test_a_run_given_twice_is_refused(make_run: Make) -> None:
    run = make_run(heads={"logreg": 1.0})
    with pytest.raises(PredictionsError, match="given twice"):
        read_runs([run, run.parent / "." / run.name])


def test_runs_of_one_name_are_told_apart_by_their_parents(make_run: Make) -> None:
    runs = [make_run("a/fit", heads={"logreg": 1.0}), make_run("b/fit", heads={"logreg": 1.0})]
    assert [run.name for run in read_runs(runs)] == ["a/fit", "b/fit"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("recipe.json", "{", "is not valid JSON"),
        ("recipe.json", "[]", "must hold a JSON object, got list"),
        ("metrics.json", "{}", "must hold a JSON list, got dict"),
        ("calibration.json", "{}", "must hold a JSON list, got dict"),
        ("differences.json", "{}", "must hold a JSON list, got dict"),
        ("layer_weights.json", '[{"stream": "audio"}]', "entry that is not {stream"),
    ],
)
def test_damaged_json_is_named(make_run: Make, name: str, text: str, message: str) -> None:
    run = make_run(heads={"logreg": 1.0})
    (run / name).write_text(text)
    with pytest.raises(PredictionsError, match=message):
        read_runs([run])


def test_layer_weights_are_read_where_they_are(make_run: Make) -> None:
    run = read_runs([make_run()])[0]
    assert len(run.layer_weights) == 4 * 2
    assert sum(run.layer_weights[0].weights.values()) == pytest.approx(1)


def test_recipe_values_are_found_at_any_depth() -> None:
    recipe = {"caches": [{"random_weights": True}, {"x": {"random_weights": False}}], "seeds": 3}
    assert find(recipe, "random_weights") == [True, False]
    assert find(recipe, "seeds") == [3]
    assert find(recipe, "missing") == []


@pytest.mark.parametrize("other", [{"synthetic": False}, {"recipe": {"corpus": "another"}}])
def test_runs_on_different_corpora_are_refused(make_run: Make, other: dict[str, object]) -> None:
    with pytest.raises(PredictionsError, match="runs of different tasks cannot share a report"):
        read_runs([make_run("a"), make_run("b", **other)])


def test_a_run_with_fused_rows_needs_its_fusion(make_run: Make) -> None:
    run = make_run(heads={"logreg": 1.0}, faces={"kernel": 1.0}, seeds=1)
    (run / "fusion.json").unlink()
    with pytest.raises(PredictionsError, match=r"fusion.json is missing, and the run has fused / .*; make the run"):
        read_runs([run])


def test_a_fusion_of_nothing_is_refused(make_run: Make) -> None:
    run, fused = make_run(heads={"logreg": 1.0}), make_run("fused", heads={"logreg": 1.0}, faces={"kernel": 1.0})
    (run / "fusion.json").write_text((fused / "fusion.json").read_text())
    with pytest.raises(PredictionsError, match=r"fusion.json: fusing needs at least two systems"):
        read_runs([run])
