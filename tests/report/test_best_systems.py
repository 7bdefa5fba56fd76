from collections.abc import Callable
from pathlib import Path

import pytest

from ravfeat.report.best_systems import best_systems
from ravfeat.report.emotions.section import emotion_section
from ravfeat.report.graded import Graded
from tests.report.simulated import graded_of

Make = Callable[..., Path]


def test_the_best_of_a_stream_is_the_best_on_validation_rows_not_on_test_rows(make_run: Make) -> None:
    run = make_run(heads={"logreg": 1.0, "gram": 0.3}, faces={"kernel": 0.9}, seeds=1)
    (cast,) = best_systems(graded_of([run]))
    assert [entry.system.head for entry in cast.entries] == ["logreg", "kernel", "gram+logreg+kernel"]
    assert "of 2 audio systems the best on validation rows (UAR 0." in cast.why[0]
    assert cast.why[1:] == ("the only face system", "of 3 systems")


def test_without_a_fusion_two_streams_still_stand_together(make_run: Make) -> None:
    graded = graded_of([make_run(heads={"logreg": 1.0}, faces={"kernel": 0.9}, seeds=1)])
    (cast,) = best_systems([entry for entry in graded if entry.role == "single"])
    assert [entry.system.stream for entry in cast.entries] == ["audio", "face"]


def test_one_stream_alone_is_no_cast(make_run: Make) -> None:
    graded = graded_of([make_run(heads={"logreg": 1.0, "gram": 0.3}, seeds=1)])
    assert best_systems(graded) == []
    section = emotion_section(graded)
    assert not section.figures
    assert len(section.tables[0].rows) == 2


def test_recall_and_matrices_of_the_cast_stand_on_one_page(fused: list[Graded]) -> None:
    section = emotion_section(fused[:5])
    assert len(section.figures) == 1
    table = section.figures[0].table
    assert [row.cells[0].split(" / ")[0] for row in table.rows] == ["audio", "face", "fused"]
    recall = fused[0].recalls[2]
    at = [column.title for column in table.columns].index(recall.label)
    assert table.rows[2].cells[at] == f"{recall.value:.3f} [{recall.ci_low:.3f}, {recall.ci_high:.3f}]"
    assert len(section.subsections[0].figures) == 3


def test_marks_of_a_drawing_differ_in_colour_and_shape(fused: list[Graded]) -> None:
    axes = emotion_section(fused[:5]).figures[0].canvas.axes[0]
    marks = {(line.get_marker(), line.get_color()) for line in axes.lines if line.get_marker() != "None"}
    assert {shape for shape, _ in marks} == {"o", "s", "D"}
    assert len({colour for _, colour in marks}) == 3


@pytest.mark.parametrize("leaky", [False, True])
def test_leaky_marks_are_hollow(fused: list[Graded], *, leaky: bool) -> None:
    section = emotion_section([entry for entry in fused if entry.leaky == leaky])
    faces = {
        line.get_markerfacecolor() for line in section.figures[0].canvas.axes[0].lines if line.get_marker() != "None"
    }
    assert (faces == {"#fdfdfd"}) == leaky
    assert ("LEAKY" in section.figures[0].alt) == leaky
