"""One look for all drawings: palette, sizes, and the way from matplotlib to a file or a page.

Drawings are made narrow (about the width of a phone) so that their text stays readable there.
Colours are those of Okabe and Ito (2008), which colour-blind readers tell apart; `drawings.marks` says
what each stands for. In a page they become CSS variables, so that a drawing follows light and dark.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = [
    "BLUE",
    "CATEGORIES",
    "DOTTED",
    "GREEN",
    "GRID",
    "INK",
    "MUTED",
    "ON_FILL",
    "PAPER",
    "PURPLE",
    "VERMILION",
    "WIDTH_IN",
    "Drawing",
    "bare",
    "canvas",
    "plot",
    "plots",
    "render",
]

WIDTH_IN = 4.0
INK = "#1b1f24"
MUTED = "#5a636d"
GRID = "#d4d9df"
BLUE = "#0072b2"
PURPLE = "#cc79a7"
GREEN = "#009e73"
VERMILION = "#d55e00"
PAPER = "#fdfdfd"  # inside of hollow dots
ON_FILL = "#fefefe"  # text on a filled cell; a white of its own, so that a page can set it apart
CATEGORIES = (BLUE, VERMILION, GREEN, PURPLE, "#e69f00", "#56b4e9", INK, "#a89b00")
"""Colours of values that only have to be told apart; beyond them shapes change. The last is a darker yellow."""
DOTTED: Any = (0, (2, 2))  # of lines that mark what nobody scored: chance, zero, equal weights

_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    BLUE: "var(--blue)",
    PURPLE: "var(--purple)",
    GREEN: "var(--green)",
    VERMILION: "var(--vermilion)",
    PAPER: "var(--paper)",
    ON_FILL: "var(--on-fill)",
}
_SETTINGS: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so that layouts are the same everywhere
    "font.size": 9.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "ravfeat",  # element names that do not change from run to run
    "axes.linewidth": 0.8,
    "text.parse_math": False,  # names may hold dollar signs
}


@contextmanager
def _settings() -> Iterator[None]:
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        yield


def canvas(height_in: float, width_in: float = WIDTH_IN) -> Figure:
    """Make an empty drawing."""
    with _settings():
        return Figure(figsize=(width_in, height_in), layout="constrained")


@contextmanager
def plot(figure: Figure) -> Iterator[Axes]:
    """Draw into a figure's only axes under our settings."""
    with _settings():
        yield figure.add_subplot()


@contextmanager
def plots(figure: Figure, rows: int, columns: int, **options: Any) -> Iterator[list[Axes]]:
    """Draw into several axes of a figure, row by row, under our settings; options as of matplotlib's ``subplots``."""
    with _settings():
        yield list(figure.subplots(rows, columns, squeeze=False, **options).flat)


def bare(axes: Axes, *, grid: str = "") -> None:
    """Take the box away; keep quiet tick labels and, where asked, grid lines along ``x`` or ``y``."""
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0, colors=MUTED, labelsize=8.5)
    axes.xaxis.label.set_color(MUTED)
    axes.yaxis.label.set_color(MUTED)
    axes.set_axisbelow(True)
    if grid == "x":
        axes.grid(axis="x", color=GRID, linewidth=0.8)
    elif grid == "y":
        axes.grid(axis="y", color=GRID, linewidth=0.8)


@dataclass(frozen=True)
class Drawing:
    """A rendered figure.

    Attributes
    ----------
    png : bytes
        On white, 200 dots per inch.
    svg : str
        The ``<svg>`` element without a background, text as text, no dates.
    """

    png: bytes
    svg: str

    def file(self) -> str:
        """Give the SVG as a file of its own, on white."""
        start = self.svg.index(">") + 1
        paper = '\n <rect width="100%" height="100%" fill="#ffffff"/>'
        return f'<?xml version="1.0" encoding="utf-8"?>\n{self.svg[:start]}{paper}{self.svg[start:]}'

    def inline(self, name: str, title: str, alt: str) -> str:
        """Give the SVG for a page: colours as CSS variables, named for screen readers.

        Parameters
        ----------
        name : str
            Unique in the page; prefixes every element id.
        """
        svg = re.sub(r'(\bid="|xlink:href="#|url\(#)', rf"\1{name}-", self.svg)
        for colour, variable in _VARIABLES.items():
            svg = svg.replace(colour, variable)
        end = svg.index(">") + 1
        box = re.search(r'viewBox="[^"]*"', svg[:end])
        head = (
            f'<svg xmlns:xlink="http://www.w3.org/1999/xlink" {box[0] if box else ""} '
            f'role="img" aria-labelledby="{name}-title {name}-desc">'
            f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(alt)}</desc>'
        )
        return head + svg[end:]


def render(figure: Figure) -> Drawing:
    """Render a figure once for all its uses."""
    _lay_out(figure)
    png = _save(figure, format="png", dpi=_DPI, facecolor="white", metadata={"Software": None})
    svg = _save(figure, format="svg", transparent=True, metadata=_NO_METADATA).decode()
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    return Drawing(png, svg)


_DPI = 200


def _lay_out(figure: Figure) -> None:
    # Where an engine is left, and be it one that does nothing, every renderer draws everything twice: once for it.
    engine, dpi = figure.get_layout_engine(), figure.dpi
    with _settings():
        if engine is not None:
            figure.set_dpi(_DPI)
            engine.execute(figure)
            figure.set_dpi(dpi)
        figure.set_layout_engine(None)


_NO_METADATA: dict[str, Any] = {"Date": None, "Creator": None, "Format": None, "Type": None}


def _save(figure: Figure, **options: Any) -> bytes:
    buffer = io.BytesIO()
    with _settings():
        figure.savefig(buffer, **options)
    return buffer.getvalue()
