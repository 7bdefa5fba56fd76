from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ravfeat.report.calibration.tables import temperature_table
from ravfeat.report.compose import compose
from ravfeat.report.drawings.rows import clip_text, wrapped
from ravfeat.report.emotions.tables import recall_table
from ravfeat.report.folds.tables import fold_table, weight_tables
from ravfeat.report.fused import fused_runs
from ravfeat.report.graded import Graded, grade
from ravfeat.report.page.document import Table
from ravfeat.report.page.markdown import render_markdown
from ravfeat.report.results.tables import further_tables, headline_table, seed_table
from ravfeat.report.systems.tables import confusion_table
from ravfeat.runs.read import read_runs


@pytest.fixture(scope="module")
def graded(two_runs: list[Path]) -> list[Graded]:
    return grade(read_runs(two_runs))


def cell(table: Table, row: int, title: str) -> str:
    return table.rows[row].cells[[column.title for column in table.columns].index(title)]


def test_headline_cells_are_the_records(graded: list[Graded]) -> None:
    table = headline_table(graded)
    pooled = graded[0].records["uar", "pooled"]
    mean = graded[0].records["wa", "fold_mean"]
    assert cell(table, 0, "UAR, pooled") == f"{pooled['value']:.3f} [{pooled['ci_low']:.3f}, {pooled['ci_high']:.3f}]"
    assert cell(table, 0, "WA, fold mean").startswith(f"{mean['value']:.3f} ± {mean['sd']:.3f} [")


def test_every_row_of_systems_carries_its_conditions(graded: list[Graded]) -> None:
    for make in (
        headline_table,
        lambda entries: further_tables(entries)[0],
        temperature_table,
        fold_table,
        recall_table,
        seed_table,
    ):
        table = make(graded)
        assert len(table.rows) == 4
        assert [cell(table, 3, title) for title in ("Protocol", "Select", "Seeds", "n")] == [
            "clip6 LEAKY",
            "val",
            "2",
            "128",
        ]


def test_honest_systems_come_first_and_what_was_fused_before_its_members(fused: list[Graded]) -> None:
    streams = ["fused", "audio", "face", "fused-linear", "fused-loglinear"]
    assert [(entry.system.stream, entry.leaky) for entry in fused] == [
        *((stream, False) for stream in streams),
        *((stream, True) for stream in streams),
    ]


def test_fused_rows_count_systems_instead_of_seeds(fused: list[Graded]) -> None:
    table = headline_table(fused)
    assert [cell(table, row, "Seeds") for row in range(5)] == ["2 systems", "2", "2", "2 systems", "2 systems"]
    assert fused[0].conditions == "synthetic · group4 · select val · 2 systems · n = 128"
    assert [row.quiet for row in table.rows[:5]] == [False, False, False, True, True]
    assert not any("fused" in row.cells[0] for row in seed_table(fused).rows)


def test_further_scores_stand_before_and_after_calibration(fused: list[Graded]) -> None:
    pooled, folds = further_tables(fused)
    for metric, title in (("nll", "NLL (nats)"), ("brier", "Brier"), ("ece", "ECE (15 bins)")):
        said, calibrated = fused[1].records[f"{metric}_uncalibrated", "pooled"], fused[1].records[metric, "pooled"]
        assert cell(pooled, 1, f"{title}, as said").startswith(f"{said['value']:.3f} [{said['ci_low']:.3f}")
        assert cell(pooled, 1, f"{title}, calibrated").startswith(f"{calibrated['value']:.3f} [")
    mean = fused[1].records["nll", "fold_mean"]
    assert cell(folds, 1, "NLL (nats), calibrated").startswith(f"{mean['value']:.3f} ± {mean['sd']:.3f} [")
    assert "15 bins of equal mass" in pooled.caption


def test_temperatures_stand_in_the_order_of_folds(fused: list[Graded]) -> None:
    table = temperature_table(fused)
    expected = [one.temperature.temperature_ for one in fused[1].calibration.folds]
    assert [float(number) for number in cell(table, 1, "Temperatures by fold").split(", ")] == pytest.approx(
        expected, abs=0.005
    )
    before, after = (fused[1].records[name, "pooled"]["value"] for name in ("ece_uncalibrated", "ece"))
    assert cell(table, 1, "ECE, pooled") == f"{before:.3f} → {after:.3f}"


def test_temperatures_at_a_bound_are_marked(make_run: Callable[..., Path]) -> None:
    run = make_run(heads={"logreg": 1.0}, faces={"kernel": 60.0}, seeds=1)
    graded = grade(read_runs([run]))
    row = next(k for k, entry in enumerate(graded) if entry.system.stream == "face")
    assert "(lower bound)" in cell(temperature_table(graded), row, "Temperatures by fold")
    weights, _, temperatures = weight_tables(fused_runs(graded)[0])
    assert any("(lower bound)" in text for text in temperatures.rows[1].cells)
    assert len(weights.rows) == 2


def test_names_break_behind_their_signs_before_they_are_cut() -> None:
    assert wrapped("whisper+landmarks+expressions · kernel", 20, 2) == ["whisper+landmarks+", "expressions · kernel"]
    assert wrapped("short · 1 seed", 20, 2) == ["short · 1 seed"]
    assert [len(line) <= 10 for line in wrapped("a" * 30 + "+" + "b" * 30, 10, 2)] == [True, True]


def test_confusion_counts_add_up_to_the_clips(graded: list[Graded]) -> None:
    table = confusion_table(graded[0])
    assert sum(int(count) for row in table.rows for count in row.cells[1:]) == 128
    assert np.trace(graded[0].confusion) / 128 == pytest.approx(graded[0].records["wa", "pooled"]["value"])


def test_layer_weights_are_averaged_over_models(graded: list[Graded]) -> None:
    profile = graded[0].layers
    assert profile is not None
    assert profile.n_models == 8
    assert profile.mean.sum() == pytest.approx(1)
    assert (profile.low <= profile.mean).all()
    assert (profile.mean <= profile.high).all()
    assert graded[1].layers is None


def test_single_seeds_come_from_the_score_file(graded: list[Graded]) -> None:
    assert len(graded[0].seed_scores("test", "uar")) == 2
    assert cell(seed_table(graded), 0, "Test UAR, single seeds").count("0.") == 2


def test_markdown_tables_have_one_cell_per_column(two_runs: list[Path], graded: list[Graded]) -> None:
    runs = read_runs(two_runs)
    lines = render_markdown(compose(runs, graded)).splitlines()
    assert sum(line.startswith("| audio") for line in lines) > 20
    for start in (i for i, line in enumerate(lines) if line.startswith("|---")):
        block = [lines[start - 1], *(line for line in lines[start : start + 3] if line.startswith("|"))]
        assert len({line.replace("\\|", "").count("|") for line in block}) == 1


def test_slugs_stay_unique_when_names_differ_only_in_signs(make_run: Callable[..., Path]) -> None:
    runs = read_runs([make_run("run", heads={"a+b": 1.0, "a-b": 1.0})])
    slugs = [entry.slug for entry in grade(runs)]
    assert len(set(slugs)) == 2


def test_long_names_lose_their_middle() -> None:
    assert clip_text("short", 10) == "short"
    assert clip_text("abcdefghijkl", 7) == "abc…jkl"
