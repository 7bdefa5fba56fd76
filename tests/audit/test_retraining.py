"""Choices made elsewhere, and rows that training again, or the saved heads, do not give."""

from pathlib import Path

import pytest

from ravfeat.audit import Line
from ravfeat.audit.context import open_run
from ravfeat.audit.retraining import check_retrained
from ravfeat.audit.saved_heads import check_saved_heads
from ravfeat.experiment.load import FeatureLoader
from ravfeat.predictions import Predictions
from tests.audit.runs import chosen_by, make_run, rewrite
from tests.toyscores import changed


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
    context = open_run(run)
    assert context.prepared is not None
    return check_retrained(context, context.prepared, FeatureLoader())[0]


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
    changed(predictions, logits=logits).write(run / "predictions.parquet")


def test_val_rows_moved_by_little_are_found_by_the_saved_heads_and_by_training_again(caches, tmp_path) -> None:
    run = make_run(tmp_path / "run", caches[:1], heads=("attentive",), settings={"epochs": 2}, layers="1")
    context = open_run(run)
    assert context.prepared is not None
    assert "6 folds, val and test rows" in check_saved_heads(context, context.prepared, FeatureLoader())[0].finding
    nudged(run, "val", 0.02)
    assert retrained(run).verdict == "leak"
    context = open_run(run)
    assert context.prepared is not None
    (line,) = check_saved_heads(context, context.prepared, FeatureLoader())
    assert line.verdict == "leak"
    assert "val rows: the saved head gives logits that differ" in line.finding
    rewrite(run / "recipe.json", lambda recipe: recipe["plan"].update(device="cuda"))
    line = retrained(run)
    assert line.verdict == "warn"
    assert "it was trained on cuda" in line.finding
