from collections.abc import Callable
from pathlib import Path

import pytest

from ravfeat.errors import PredictionsError
from ravfeat.runs.read import read_runs

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
        ("recipe.json", "[]", r"it is \[\], expected an object"),
        ("metrics.json", "{}", "it is {}, expected a list"),
        ("calibration.json", "{}", "it is {}, expected a list"),
        ("differences.json", "{}", "it is {}, expected a list"),
        (
            "layer_weights.json",
            '[{"stream": "audio"}]',
            r"layer_weights\.json: \[0\] lacks 'features'; make the run again",
        ),
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


def test_a_run_of_the_version_before_the_first_is_read() -> None:
    (run,) = read_runs([Path(__file__).parents[1] / "format" / "run-v0"])
    assert [str(system) for system in run.predictions.systems()][:2] == [
        "audio / voice / attentive",
        "face / face / logreg",
    ]
    assert (run.recipe.format_version, run.recipe.protocol, run.recipe.seeds) == (0, "group3", 1)
    assert [origin.path.name for origin in run.recipe.origins()] == [
        "audio-voice-255e9afaf112", "face-face-28439f1fe5f7",
    ]  # fmt: skip
    assert run.fusion is not None
    assert run.audit is not None
    assert run.audit.badge == "held as far as could be tried (29 of 35 tried, quick)"


def test_scores_of_other_predictions_are_refused(make_run: Make) -> None:
    run, other = make_run("a", heads={"logreg": 1.0}), make_run("b", heads={"logreg": 1.2})
    (run / "scores.parquet").write_bytes((other / "scores.parquet").read_bytes())
    with pytest.raises(PredictionsError, match=r"scores\.parquet says uar = .* where predictions\.parquet gives"):
        read_runs([run])
