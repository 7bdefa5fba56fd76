import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ravfeat.fusion import fuse
from ravfeat.predictions import Predictions
from ravfeat.report.folds.figures import fold_gain_figure
from ravfeat.report.folds.section import fold_section
from ravfeat.report.folds.tables import choice_table, weight_tables
from ravfeat.report.fused import FusedRun, fused_runs
from ravfeat.report.graded import Graded
from tests.report.simulated import graded_of

Make = Callable[..., Path]
BOTH = {"heads": {"logreg": 1.0}, "faces": {"kernel": 0.9}, "seeds": 1}


@pytest.fixture(scope="module")
def one(fused: list[Graded]) -> FusedRun:
    return fused_runs(fused)[0]


@pytest.fixture(scope="module")
def record(fused_runs: list[Path]) -> dict:
    found: dict = json.loads((fused_runs[0] / "fusion.json").read_text())
    return found


def test_gains_of_folds_are_those_of_fusion_json_whatever_they_are(one: FusedRun, record: dict) -> None:
    assert one.gains.tolist() == pytest.approx([fold["test"]["gain"] for fold in record["folds"]])


def test_the_table_of_folds_has_what_fusion_json_says(one: FusedRun, record: dict) -> None:
    table = choice_table(one)
    titles = [column.title for column in table.columns]
    for row, fold in zip(table.rows, record["folds"], strict=True):
        cells = dict(zip(titles, row.cells, strict=True))
        learned, test = fold["learned"], fold["test"]
        chosen = learned["singles"][fold["single"]] if fold["chosen"] == "single" else learned[fold["chosen"]]
        assert cells["n, validation"] == str(fold["n"])
        assert cells["Validation UAR, best single"] == f"{learned['singles'][fold['single']]['uar']:.3f}"
        assert cells["Validation UAR, fused"] == f"{chosen['uar']:.3f}"
        assert cells["Test UAR, best single"] == f"{test['singles'][fold['single']]:.3f}"
        assert cells["Test UAR, fused"] == f"{test['fused']:.3f}"
        assert cells["Test, fused minus single"] == f"{test['gain']:+.3f}"
        assert "synthetic" in cells["Fold"]


def test_weights_and_temperatures_are_those_of_fusion_json(one: FusedRun, record: dict) -> None:
    chosen, both, temperatures = weight_tables(one)
    for m in range(2):
        rules = {"single": np.eye(2), "linear": None, "loglinear": None}
        expected = [
            rules["single"][fold["single"]][m] if fold["chosen"] == "single" else fold[fold["chosen"]][m]
            for fold in record["folds"]
        ]
        assert list(chosen.rows[m].cells[1:]) == [f"{weight:.2f}" for weight in expected]
        assert list(both.rows[m].cells[1:]) == [f"{fold['linear'][m]:.2f}" for fold in record["folds"]]
        assert list(both.rows[2 + m].cells[1:]) == [f"{fold['loglinear'][m]:.2f}" for fold in record["folds"]]
        assert list(temperatures.rows[m].cells[1:]) == [f"{fold['temperatures'][m]:.2f}" for fold in record["folds"]]


def test_the_rows_that_were_learned_from_give_the_scores_that_were_learned(one: FusedRun) -> None:
    for view in one.folds:
        mixed = view.fusion.mix(view.fusion.chosen, view.log_probs)
        recalls = [(mixed.argmax(1) == view.y)[view.y == k].mean() for k in np.unique(view.y)]
        assert np.mean(recalls) == pytest.approx(view.fusion.scores[view.fusion.chosen].uar)


def test_two_streams_are_the_two_sides(one: FusedRun) -> None:
    assert one.sides.names == ("audio", "face")
    assert one.sides.first.tolist() == [True, False]


def test_of_one_stream_the_best_system_stands_against_the_rest(make_run: Make) -> None:
    run = make_run(heads={"logreg": 1.0, "kernel": 0.5, "gram": 0.4}, rule="auto", seeds=1)
    found = fused_runs(graded_of([run]))[0]
    assert found.sides.names == ("audio / logmel-0f3c9a / logreg", "all others")
    assert found.sides.first.tolist() == [str(entry.system) == found.sides.names[0] for entry in found.members]


def test_a_gain_below_zero_is_said_and_drawn(make_run: Make) -> None:
    run = make_run(heads={"logreg": 1.2}, faces={"kernel": 0.05}, rule="linear", seeds=1)
    graded = graded_of([run])
    found = fused_runs(graded)[0]
    assert (found.gains < 0).any(), "the simulation was meant to lose somewhere"
    words = fold_section(graded, [found]).subsections[0].paragraphs[0]
    assert (
        f"from {found.gains.min():+.3f} to {found.gains.max():+.3f}, and below zero in {(found.gains < 0).sum()} of 4"
        in words
    )
    low, high = fold_gain_figure(found).axes[0].get_xlim()
    assert low < found.gains.min() < 0 < high


def test_crossfitted_fusions_do_not_speak_of_validation_rows(make_run: Make) -> None:
    graded = graded_of([make_run(**BOTH, select="crossfit")])
    found = fused_runs(graded)[0]
    assert found.rows == "cross-fitted rows"
    titles = " ".join(column.title for column in choice_table(found).columns)
    assert "Cross-fitted UAR" in titles
    assert "Validation" not in titles


def test_the_fusion_is_the_one_that_the_rows_give(one: FusedRun, fused_runs: list[Path]) -> None:
    _, again = fuse(Predictions.read(fused_runs[0] / "predictions.parquet"))
    assert [fold.chosen for fold in one.fusion.folds] == [fold.chosen for fold in again.folds]
