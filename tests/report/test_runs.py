import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ravfeat.errors import PredictionsError
from ravfeat.report.runs import find, read_runs

Make = Callable[..., Path]


@pytest.mark.parametrize("name", ["predictions.parquet", "metrics.json", "scores.parquet", "recipe.json"])
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


def test_a_polished_number_is_refused(make_run: Make) -> None:
    run = make_run(heads={"logreg": 1.0})
    records = json.loads((run / "metrics.json").read_text())
    records[0]["value"] += 0.01
    (run / "metrics.json").write_text(json.dumps(records))
    with pytest.raises(PredictionsError, match=r"metrics.json says .* for audio / logmel-0f3c9a / logreg .* gives"):
        read_runs([run])


def test_records_of_another_run_are_refused(make_run: Make) -> None:
    run, other = make_run("a", heads={"logreg": 1.0}), make_run("b", heads={"kernel": 1.0})
    (run / "metrics.json").write_text((other / "metrics.json").read_text())
    with pytest.raises(
        PredictionsError, match=r"does not belong to predictions.parquet beside it: audio / .* / kernel"
    ):
        read_runs([run])


def test_records_without_their_fields_are_refused(make_run: Make) -> None:
    run = make_run(heads={"logreg": 1.0})
    (run / "metrics.json").write_text('[{"metric": "uar"}]')
    with pytest.raises(PredictionsError, match="records without the fields stream, features"):
        read_runs([run])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("recipe.json", "{", "is not valid JSON"),
        ("recipe.json", "[]", "must hold a JSON dict, got list"),
        ("metrics.json", "{}", "must hold a JSON list, got dict"),
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
    assert find(recipe, "calibrated") == []


@pytest.mark.parametrize("other", [{"synthetic": False}, {"recipe": {"corpus": "another"}}])
def test_runs_on_different_corpora_are_refused(make_run: Make, other: dict[str, object]) -> None:
    with pytest.raises(PredictionsError, match="runs of different tasks cannot share a report"):
        read_runs([make_run("a"), make_run("b", **other)])
