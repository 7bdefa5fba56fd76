from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ravfeat.report.fused import FusedRun, fused_runs
from ravfeat.report.graded import Graded
from ravfeat.report.mixing.figures import share_figure, weight_figure
from ravfeat.report.mixing.findings import Surface, SystemAgreement, agreement_of, surface_of
from ravfeat.report.mixing.section import mixing_section
from ravfeat.report.mixing.tables import share_table, weight_table
from ravfeat.report.mixing.words import mixing_words
from tests.report.simulated import graded_of

Make = Callable[..., Path]


@pytest.fixture(scope="module")
def one(fused: list[Graded]) -> FusedRun:
    return fused_runs(fused)[0]


@pytest.fixture(scope="module")
def surface(one: FusedRun) -> Surface:
    return surface_of(one)


def test_chosen_shares_lie_on_their_folds_curves(one: FusedRun, surface: Surface) -> None:
    for fold, curve, at in zip(one.fusion.folds, surface.curves, surface.chosen, strict=True):
        assert curve.shares[at] == pytest.approx(fold.linear[0])
        assert curve.uar[at] == pytest.approx(fold.scores["linear"].uar)
        assert curve.uar.max() == pytest.approx(fold.scores["linear"].uar)  # of two systems, all mixtures are on it


def test_the_map_is_lowest_among_the_chosen_weights(one: FusedRun, surface: Surface) -> None:
    row, column = divmod(int(surface.nll.argmin()), len(surface.first_axis))
    for side, at in ((0, surface.first_axis[column]), (1, surface.second_axis[row])):
        weights = [fold.loglinear[side] for fold in one.fusion.folds]
        assert min(weights) - 0.05 <= at <= max(weights) + 0.05
    assert 1.0 in np.round(surface.first_axis, 9)
    assert surface.first_axis[-1] >= 1.2 * surface.weights[:, 0].max()


def test_every_fold_is_marked_on_both_drawings(one: FusedRun, surface: Surface) -> None:
    def marks(axes: object) -> int:
        return sum(line.get_marker() == "D" for line in axes.lines)  # type: ignore[attr-defined]

    above, below = share_figure(one, surface).axes
    assert marks(above) == marks(weight_figure(one, surface).axes[0]) == 4
    assert sum(line.get_marker() == "v" for line in below.lines) == 4


def test_tables_hold_what_is_drawn(one: FusedRun, surface: Surface) -> None:
    shares = share_table(one, surface)
    assert [row.cells[1] for row in shares.rows[:4]] == [f"{fold.linear[0]:.3f}" for fold in one.fusion.folds]
    assert [row.cells[2] for row in shares.rows[:4]] == [
        f"{fold.scores['linear'].uar:.3f}" for fold in one.fusion.folds
    ]
    assert shares.rows[4].cells[1] == f"{surface.shares.mean():.3f}"
    weights = weight_table(one, surface)
    assert [row.cells[1:3] for row in weights.rows[:4]] == [
        tuple(f"{weight:.3f}" for weight in fold.loglinear) for fold in one.fusion.folds
    ]
    assert weights.rows[4].cells[3] == f"{surface.nll.min():.3f}"


def test_where_all_agree_a_mean_says_no_more_than_the_surest_and_a_product_may(one: FusedRun) -> None:
    found = agreement_of(one)
    assert 0 < found.n < found.of == sum(fold.n for fold in one.fusion.folds)
    assert found.linear <= found.surest
    assert found.loglinear > found.linear


def test_the_words_hold_the_runs_own_numbers(one: FusedRun, surface: Surface) -> None:
    text = " ".join(mixing_words(one, surface, agreement_of(one)))
    for entry in (one.linear, one.loglinear):
        assert f"{entry.records['uar', 'pooled']['value']:.3f}" in text


def test_where_the_mean_does_no_worse_nothing_is_explained(one: FusedRun, surface: Surface) -> None:
    swapped = replace(one, linear=one.loglinear, loglinear=one.linear)
    worse, better = sorted((one, swapped), key=lambda run: run.loglinear.records["uar", "pooled"]["value"])
    told = mixing_words(worse, surface, agreement_of(one))
    assert len(told) == 1
    assert "does no worse than their weighted product" in told[0]
    assert "no worse" not in mixing_words(better, surface, agreement_of(one))[0]


def test_reasons_that_were_not_measured_are_not_given(one: FusedRun, surface: Surface) -> None:
    better = max((one, replace(one, linear=one.loglinear, loglinear=one.linear)),
                 key=lambda run: run.loglinear.records["uar", "pooled"]["value"])  # fmt: skip
    nobody_agrees = SystemAgreement(0, 10, *[float("nan")] * 4)
    assert "Where systems agree" not in " ".join(mixing_words(better, surface, nobody_agrees))


def test_sides_of_several_systems_keep_their_proportions(make_run: Make) -> None:
    run = make_run(heads={"logreg": 1.0, "gram": 0.8}, faces={"kernel": 0.9}, seeds=1)
    found = fused_runs(graded_of([run]))[0]
    surface = surface_of(found)
    assert surface.sides.names == ("audio", "face")
    for fold, curve, at in zip(found.fusion.folds, surface.curves, surface.chosen, strict=True):
        assert curve.uar[at] == pytest.approx(fold.scores["linear"].uar)
    section = mixing_section([found])
    assert section is not None
    assert "Within a side, systems keep the proportions" in section.paragraphs[0]


def test_the_section_says_leaky_and_is_folded_beside_an_honest_one(fused: list[Graded]) -> None:
    section = mixing_section(fused_runs(fused))
    assert section is not None
    assert [(part.leaky, part.folded) for part in section.subsections] == [(False, False), (True, True)]
    assert all("LEAKY" in figure.alt for figure in section.subsections[1].figures)
    assert mixing_section([]) is None
