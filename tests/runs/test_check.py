"""What does not belong to the predictions beside it is refused, whoever replaced what."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ravfeat.errors import PredictionsError
from ravfeat.predictions import Predictions, concatenate
from ravfeat.runs.read import read_runs
from tests.report.simulated import write_made
from tests.toyscores import changed

Make = Callable[..., Path]


def test_a_polished_number_is_refused(make_run: Make) -> None:
    run = make_run(heads={"logreg": 1.0})
    records = json.loads((run / "metrics.json").read_text())
    records[0]["value"] += 0.01
    (run / "metrics.json").write_text(json.dumps(records))
    with pytest.raises(PredictionsError, match=r"metrics.json says .* for audio / logmel-0f3c9a / logreg .* gives"):
        read_runs([run])


@pytest.mark.parametrize("name", ["ci_low", "ci_high", "sd"])
def test_a_polished_interval_is_refused(make_run: Make, name: str) -> None:
    run = make_run(heads={"logreg": 1.0})
    edit(run / "metrics.json", lambda records: records[0].update({name: records[0][name] + 0.01}))
    with pytest.raises(
        PredictionsError, match=rf"metrics.json says [\d.]+ for .* {name}, predictions.parquet beside it"
    ):
        read_runs([run])


@pytest.mark.parametrize(
    ("name", "value"),
    [("leaky", True), ("protocol", "group9"), ("select", "nested"), ("seeds", 9), ("classes", ["calm", "happy"])],
)
def test_a_recipe_that_tells_of_another_run_is_refused(make_run: Make, name: str, value: object) -> None:
    run = make_run(heads={"logreg": 1.0})
    edit(run / "recipe.json", lambda recipe: recipe.update({name: value}))
    with pytest.raises(
        PredictionsError, match=rf"recipe.json says .* for {name}.*, predictions.parquet beside it gives"
    ):
        read_runs([run])


def test_layer_weights_of_a_head_that_predicted_nothing_are_refused(make_run: Make) -> None:
    run = make_run(heads={"attentive": 1.0})
    entries = json.loads((run / "layer_weights.json").read_text())
    assert entries
    edit(run / "layer_weights.json", lambda entries: entries[0].update(fold=77))
    with pytest.raises(
        PredictionsError, match=r"layer_weights.json has weights of .*, fold 77, which predicted nothing"
    ):
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
    with pytest.raises(PredictionsError, match=r"metrics\.json: \[0\] lacks '"):
        read_runs([run])


BOTH: dict[str, Any] = {"heads": {"logreg": 1.0}, "faces": {"kernel": 1.0}, "seeds": 1}


def edit(path: Path, change: Callable[[Any], None]) -> None:
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def warm(entries: Any) -> None:
    entries[1]["temperature"] *= 1.01


def free(entries: Any) -> None:
    entries[0]["at_bound"] = "lower"


def short(entries: Any) -> None:
    entries.pop()


def twice(entries: Any) -> None:
    entries.append(entries[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (warm, r"says [\d.]+ for audio / .* / fold 1 temperature, .* gives [\d.]+; .* make the run again"),
        (free, "says 'lower' for .* at_bound, .* gives ''"),
        (short, "does not belong to predictions.parquet beside it: audio .* / fold 3"),
        (twice, "some record stands twice"),
        (lambda entries: entries[0].pop("temperature"), r"\[0\] lacks 'temperature'"),
        (lambda entries: entries[0].pop("fold"), r"\[0\] lacks 'fold'"),
    ],
)
def test_temperatures_that_the_rows_do_not_give_are_refused(
    make_run: Make, change: Callable[[Any], None], message: str
) -> None:
    run = make_run(heads={"logreg": 1.0}, seeds=1)
    edit(run / "calibration.json", change)
    with pytest.raises(PredictionsError, match=f"calibration.json.* {message}"):
        read_runs([run])


def test_a_temperature_of_another_last_digit_is_no_other_temperature(make_run: Make) -> None:
    run = make_run(heads={"logreg": 1.0}, seeds=1)
    edit(
        run / "calibration.json", lambda entries: entries[0].update(temperature=entries[0]["temperature"] * (1 + 1e-7))
    )
    assert read_runs([run])


def heavier(record: Any) -> None:
    record["folds"][2]["loglinear"][0] += 0.01


def other_choice(record: Any) -> None:
    record["folds"][0]["chosen"] = "single" if record["folds"][0]["chosen"] != "single" else "linear"


def flattered(record: Any) -> None:
    record["folds"][0]["test"]["gain"] += 0.1


def foreign(record: Any) -> None:
    record["systems"][0]["head"] = "kernel"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (heavier, "says .* for folds 2 loglinear 0, predictions.parquet beside it gives"),
        (other_choice, "for folds 0 chosen"),
        (flattered, "for folds 0 test gain"),
        (foreign, "says 'kernel' for systems 0 head, .* gives 'logreg'"),
        (lambda record: record.update(rule="best"), "rule is \"best\", expected 'auto', 'linear' or 'loglinear'"),
        (lambda record: record.pop("folds"), "make the run again"),
    ],
)
def test_a_fusion_that_the_systems_do_not_give_is_refused(
    make_run: Make, change: Callable[[Any], None], message: str
) -> None:
    run = make_run(**BOTH)
    edit(run / "fusion.json", change)
    with pytest.raises(PredictionsError, match=f"fusion.json.*{message}"):
        read_runs([run])


def test_a_rule_that_was_not_used_is_refused(make_run: Make) -> None:
    run = make_run(**BOTH, rule="linear")
    edit(run / "fusion.json", lambda record: record.update(rule="loglinear"))
    with pytest.raises(PredictionsError, match=r"fusion.json says 'linear' for folds 0 chosen"):
        read_runs([run])


def test_fused_rows_that_the_weights_do_not_give_are_refused(make_run: Make) -> None:
    run = make_run(**BOTH)
    found = Predictions.read(run / "predictions.parquet")
    stream = np.array(found.table["stream"].to_pylist())
    logits = found.logits().copy()
    logits[stream == "fused-linear"] *= 0.5  # no decision changes, and no temperature can tell
    write_made(run, changed(found, logits=logits))
    with pytest.raises(
        PredictionsError, match=r"the test rows of fused-linear / .* are not what its systems and weights"
    ):
        read_runs([run])


def test_a_fusion_without_one_of_its_rules_is_refused(make_run: Make) -> None:
    run = make_run(**BOTH)
    found = Predictions.read(run / "predictions.parquet")
    kept = [system for system in found.systems() if system.stream != "fused-linear"]
    write_made(run, concatenate([found.select_system(system) for system in kept]))
    with pytest.raises(PredictionsError, match=r"fusion.json does not belong to .* beside it: fused-linear /"):
        read_runs([run])


def higher(entries: Any) -> None:
    entries[0]["value"] += 0.01


def renamed(entries: Any) -> None:
    entries[0]["b"]["head"] = "attentive"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (higher, r"says [-\d.]+ for audio / .* / uar / pooled, predictions.parquet beside it gives"),
        (
            lambda entries: entries[0].update(value_a=0.9),
            "says 0.9 for .* value_a, predictions.parquet beside it gives",
        ),
        (lambda entries: entries[0].update(protocol="x"), "says 'x' for .* protocol, .* gives 'group4'"),
        (renamed, "does not belong to predictions.parquet beside it: audio"),
        (short, "does not belong to predictions.parquet beside it: "),
        (lambda entries: entries[0].update(p_holm=0.0), r"says 0.0 for .* uar / pooled p_holm, "),
        (
            lambda entries: entries[0].update(family="the only pair of the run"),
            "says 'the only pair .* family, .* gives 'all",
        ),
        (lambda entries: entries[0].pop("p_holm"), r": \[0\] lacks 'p_holm'"),
        (lambda entries: entries[0].update(value="much"), r': \[0\]\.value is "much", expected a number'),
    ],
)
def test_differences_that_are_not_those_of_the_metrics_are_refused(
    make_run: Make, change: Callable[[Any], None], message: str
) -> None:
    run = make_run(**BOTH)
    edit(run / "differences.json", change)
    with pytest.raises(PredictionsError, match=f"differences.json.*{message}"):
        read_runs([run])


def test_systems_on_other_clips_have_no_differences_and_are_not_refused(make_run: Make) -> None:
    run = make_run(heads={"logreg": 1.0, "kernel": 1.0}, seeds=1)
    found = Predictions.read(run / "predictions.parquet")
    rows = np.array(found.table["head"].to_pylist()) == "kernel"
    last = np.array(found.table["performance_id"].to_pylist()) == "08-0127"
    about = {name: getattr(found, name) for name in ("classes", "protocol", "leaky", "select", "synthetic")}
    write_made(run, Predictions(found.table.filter(~(rows & last)), **about))
    assert json.loads((run / "differences.json").read_text()) == []
    assert read_runs([run])
