from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ravfeat.report import tables
from ravfeat.report.document import Table
from ravfeat.report.graded import Graded, grade
from ravfeat.report.markdown import render_markdown
from ravfeat.report.rows import clip_text
from ravfeat.report.runs import read_runs
from ravfeat.report.sections import compose


@pytest.fixture(scope="module")
def graded(two_runs: list[Path]) -> list[Graded]:
    return grade(read_runs(two_runs))


def cell(table: Table, row: int, title: str) -> str:
    return table.rows[row].cells[[column.title for column in table.columns].index(title)]


def test_headline_cells_are_the_records(graded: list[Graded]) -> None:
    table = tables.headline_table(graded)
    pooled = graded[0].records["uar", "pooled"]
    mean = graded[0].records["wa", "fold_mean"]
    assert cell(table, 0, "UAR, pooled") == f"{pooled['value']:.3f} [{pooled['ci_low']:.3f}, {pooled['ci_high']:.3f}]"
    assert cell(table, 0, "WA, fold mean").startswith(f"{mean['value']:.3f} ± {mean['sd']:.3f} [")


def test_every_row_of_systems_carries_its_conditions(graded: list[Graded]) -> None:
    for make in (
        tables.headline_table,
        tables.further_table,
        tables.fold_table,
        tables.recall_table,
        tables.seed_table,
    ):
        table = make(graded)
        assert len(table.rows) == 4
        assert [cell(table, 3, title) for title in ("Protocol", "Select", "Seeds", "n")] == [
            "clip6 LEAKY",
            "val",
            "2",
            "128",
        ]


def test_honest_systems_come_first(graded: list[Graded]) -> None:
    assert [entry.leaky for entry in graded] == [False, False, True, True]


def test_confusion_counts_add_up_to_the_clips(graded: list[Graded]) -> None:
    table = tables.confusion_table(graded[0])
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
    assert cell(tables.seed_table(graded), 0, "Test UAR, single seeds").count("0.") == 2


def test_markdown_tables_have_one_cell_per_column(two_runs: list[Path], graded: list[Graded]) -> None:
    runs = read_runs(two_runs)
    lines = render_markdown(compose(runs, graded)).splitlines()
    widths = {len(line.replace("\\|", "").split("|")) for line in lines if line.startswith("| audio")}
    assert widths <= {11, 13, 15, 10, 12} | {len(tables.recall_table(graded).columns) + 2}
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
