"""Systems that nobody trained, labels that are not the corpus's, clips that are gone, choices made elsewhere."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from ravfeat.audit import Line, audit_run
from ravfeat.audit.context import open_run
from ravfeat.audit.features import Features
from ravfeat.audit.labels import check_labels, check_left_out
from ravfeat.audit.retraining import check_retrained
from ravfeat.audit.rows import check_against_folds
from ravfeat.audit.saved_heads import check_saved_heads
from ravfeat.crosscorpus import CrossPlan, fit_across
from ravfeat.experiment.fit import FitPlan, fit_heads, fused
from ravfeat.predictions import Predictions, concatenate
from ravfeat.runs.result import Fitted
from ravfeat.runs.write import write_run
from tests.audit.runs import chosen_by, make_run, rewrite, takes
from tests.twocorpora import write_two
from tests.writtencaches import write_cache


def renamed(predictions: Predictions, features: str) -> Predictions:
    column = pa.array([features] * len(predictions))
    table = predictions.table
    return replace(predictions, table=table.set_column(table.schema.get_field_index("features"), "features", column))


def test_a_system_that_the_plan_does_not_train_is_a_leak_and_its_fusion_too(caches, tmp_path) -> None:
    fitted = fit_heads(FitPlan(caches[:1], heads=("logreg",)))
    both = concatenate([fitted.predictions, renamed(fitted.predictions, "oracle")])
    write_run(tmp_path / "run", fused(Fitted(both, fitted.models, fitted.about), "auto"), {})
    lines = [line for line in check_against_folds(open_run(tmp_path / "run")) if line.verdict == "leak"]
    assert lines[0].subject == "audio / oracle / logreg"
    assert "the plan does not train it" in lines[0].finding
    assert {line.subject.split(" / ")[0] for line in lines[1:]} == {"fused", "fused-linear", "fused-loglinear"}
    assert "the plan trains audio / voice / logreg, and this is no fusion of these" in lines[1].finding


def test_labels_that_are_not_the_corpus_s_are_a_warning_with_numbers(caches, tmp_path) -> None:
    table = tmp_path / "labels.csv"
    given = [(take.clip_id, take.label) for take in takes()]
    given[0] = (given[0][0], "sad")
    gone = [number for number, (_, label) in enumerate(given) if number and label == "happy"][:3]
    rows = [f"{clip},{'' if number in gone else label}" for number, (clip, label) in enumerate(given)]
    table.write_text("clip_id,label\n" + "\n".join(rows) + "\n")
    was = takes()[0].label
    run = make_run(tmp_path / "run", caches[:1], labels=table)
    opened = open_run(run)
    (line,) = check_labels(opened)
    assert line.verdict == "warn"
    assert f"1 of 189 clips have another label than in the shards: {was} to sad 1" in line.finding
    (line,) = check_left_out(opened)
    assert line.verdict == "warn"
    assert "3 of 192 clips of the manifest are neither trained on nor tested: happy 3 of 48" in line.finding


def test_clips_that_are_missing_are_counted_by_class(tmp_path) -> None:
    lost = [take.clip_id for take in takes() if take.label == "sad"][:2]
    cache = write_cache(tmp_path, takes(), name="voice", stream="audio", lost=lost)
    run = make_run(tmp_path / "run", [cache], allow_missing=True)
    (line,) = check_left_out(open_run(run))
    assert line.finding == "2 of 192 clips of the manifest are neither trained on nor tested: sad 2 of 48"
    assert line.evidence["left_out"] == {"sad": 2}


@pytest.fixture(scope="module")
def networks(caches, tmp_path_factory) -> Path:
    """A run of a network whose last epoch but one was taken. Read only."""
    with pytest.MonkeyPatch.context() as patch:
        chosen_by(patch, lambda n: n - 2)
        return make_run(
            tmp_path_factory.mktemp("networks") / "run",
            caches[:1],
            heads=("attentive",),
            settings={"epochs": 12},
            layers="1",
        )


def retrained(run: Path) -> Line:
    opened = open_run(run)
    assert opened.prepared is not None
    return check_retrained(opened, opened.prepared, Features())[0]


def test_near_ties_that_fell_otherwise_elsewhere_are_a_warning_and_a_leak_here(networks, copy) -> None:
    run = copy(networks)
    assert retrained(run).verdict == "leak"
    rewrite(run / "recipe.json", lambda recipe: recipe["versions"].update(torch="1.0"))
    line = retrained(run)
    assert line.verdict == "warn", line.finding
    assert "it was trained with other versions (torch 1.0, now" in line.finding
    assert "with what is recorded, 6 heads chosen as recorded" in line.finding


def test_a_choice_that_costs_much_on_val_rows_is_a_leak_wherever_it_was_made(caches, tmp_path, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        chosen_by(patch, lambda n: 0)
        run = make_run(tmp_path / "run", caches[:1], heads=("attentive",), settings={"epochs": 12}, layers="1")
    rewrite(run / "recipe.json", lambda recipe: recipe["versions"].update(torch="1.0"))
    line = retrained(run)
    assert line.verdict == "leak"
    assert "of UAR on val rows, no near tie" in line.finding


def nudged(run: Path, split: str, share: float) -> None:
    """Move the logits of one side's rows by a share of the largest."""
    predictions = Predictions.read(run / "predictions.parquet")
    logits = predictions.logits().copy()
    own = [one == split for one in predictions.table["split"].to_pylist()]
    logits[own, 0] += share * abs(logits).max()
    columns = {name: predictions.table[name].to_pylist() for name in predictions.table.column_names}
    about = {name: getattr(predictions, name) for name in ("classes", "protocol", "leaky", "select", "synthetic")}
    Predictions.from_columns(columns | {"logits": logits}, **about).write(run / "predictions.parquet")


def test_val_rows_moved_by_little_are_found_by_the_saved_heads_and_by_training_again(caches, tmp_path) -> None:
    run = make_run(tmp_path / "run", caches[:1], heads=("attentive",), settings={"epochs": 2}, layers="1")
    opened = open_run(run)
    assert opened.prepared is not None
    assert "6 folds, val and test rows" in check_saved_heads(opened, opened.prepared, Features())[0].finding
    nudged(run, "val", 0.02)
    assert retrained(run).verdict == "leak"
    opened = open_run(run)
    assert opened.prepared is not None
    (line,) = check_saved_heads(opened, opened.prepared, Features())
    assert line.verdict == "leak"
    assert "val rows: the saved head says logits that differ" in line.finding
    rewrite(run / "recipe.json", lambda recipe: recipe["plan"].update(device="cuda"))
    line = retrained(run)
    assert line.verdict == "warn"
    assert "it was trained on cuda" in line.finding


@pytest.mark.parametrize("select", ["val", "nested"])
def test_a_run_across_two_corpora_is_made_again(select, tmp_path) -> None:
    pair = write_two(tmp_path / "caches")
    plan = CrossPlan((pair,), FitPlan(heads=("logreg",), select=select))
    write_run(tmp_path / "run", fit_across(plan), {})
    audit = audit_run(tmp_path / "run")
    assert not audit.broken
    verdicts = {(line.check, line.verdict) for line in audit.lines}
    for check in ("plan as recorded", "folds from the shards", "folds as recorded", "trained again",
                  "saved heads give the test rows", "predictions follow the folds", "no clip left out"):  # fmt: skip
        assert (check, "pass") in verdicts
    assert ("gain of a clip split", "not possible") in verdicts
    rewrite(tmp_path / "run" / "recipe.json", lambda recipe: recipe["chosen"][1]["chosen"].update(C=7.0))
    assert {line.check for line in audit_run(tmp_path / "run").broken} == {"trained again"}
