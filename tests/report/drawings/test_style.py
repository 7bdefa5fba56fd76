"""A figure is drawn once for each of its files."""

import io

import pytest
from matplotlib.figure import Figure

from ravfeat.report.drawings.style import _settings, canvas, plots, render


def two_panels() -> Figure:
    figure = canvas(2.0)
    with plots(figure, 1, 2, sharey=True) as axes:
        for number, one in enumerate(axes):
            one.plot([0, 1, 2], [number, 3, 1])
            one.set_xlabel("a label that needs room")
            one.set_title(f"panel {number}")
            one.imshow([[0.1, 0.9], [0.5, 0.2]], extent=(0, 1, 0, 1))
    return figure


def test_a_drawing_is_what_matplotlib_saves_when_it_finds_the_layout_itself() -> None:
    figure, png, svg = two_panels(), io.BytesIO(), io.BytesIO()
    with _settings():
        figure.savefig(png, format="png", dpi=200, facecolor="white", metadata={"Software": None})
        figure.set_layout_engine("none")
        about = {"Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(svg, format="svg", transparent=True, metadata=about)
    drawing = render(two_panels())
    assert drawing.png == png.getvalue()
    body = svg.getvalue().decode()
    assert drawing.svg[-2000:] == body[-2000:]


def test_a_figure_is_drawn_once_for_each_file(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = []
    original = Figure.draw
    monkeypatch.setattr(Figure, "draw", lambda self, renderer: (draws.append(1), original(self, renderer))[1])
    render(two_panels())
    assert len(draws) == 2
