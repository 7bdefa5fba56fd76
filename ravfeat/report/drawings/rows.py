"""Drawings with one row per system: the name above, the marks below, all on one axis."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ravfeat.report.drawings import style

__all__ = ["RowLabel", "clip_text", "system_rows", "wrapped"]

# Heights in inches: of a line of details, from the mark to the line above it, and to the next row's title.
_LINE_IN = 0.16
_ABOVE_IN = 0.19
_BELOW_IN = 0.29
_SIGNS = 64
_LINES = 2


@dataclass(frozen=True)
class RowLabel:
    """Words above a row: a title with a number flush right, then quieter lines; `quiet` rows step back."""

    title: str
    number: str
    details: tuple[str, ...] = ()
    leaky: bool = False
    quiet: bool = False


def system_rows(
    labels: Sequence[RowLabel],
    draw: Callable[[Axes, int, float], None],
    *,
    xlabel: str,
    line: float | None = None,
) -> Figure:
    """Lay out one row per label and let `draw(axes, row, y)` put its marks at height `y`, in inches.

    `line` is where a dotted line crosses all rows: chance, or zero.
    """
    details = [[part for detail in label.details for part in wrapped(detail, _SIGNS, _LINES)] for label in labels]
    titles = np.array([_ABOVE_IN + _LINE_IN * len(lines) for lines in details])
    rows = -np.cumsum(titles + _BELOW_IN)  # heights of the marks, the top being 0
    figure = style.canvas(0.43 + 0.17 * (1 + xlabel.count("\n")) - rows[-1])
    with style.plot(figure) as axes:
        if line is not None:
            axes.axvline(line, color=style.MUTED, linewidth=0.9, linestyle=style.DOTTED)
        for row, y in enumerate(rows):
            draw(axes, row, float(y))
        axes.set_ylim(float(rows[-1]) - 0.2, -0.12)
        _label(axes, labels, details, rows)
        axes.set_yticks([])
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=(1, 2, 2.5, 5, 10)))
        axes.set_xlabel(xlabel)
        style.bare(axes, grid="x")
    return figure


def clip_text(text: str, widest: int) -> str:
    """Shorten a long name in its middle; the tables have it in full."""
    if len(text) <= widest:
        return text
    keep = widest - 1
    return f"{text[: keep // 2]}…{text[len(text) - (keep - keep // 2) :]}"


def wrapped(text: str, widest: int, lines: int) -> list[str]:
    """Break a long name behind its signs; what does not fit into `lines` loses its middle."""
    broken = [""]
    for part in re.split(r"(?<=[+/])|(?<=· )", text):
        if len(broken) < lines and broken[-1] and len((broken[-1] + part).rstrip(" ·")) > widest:
            broken.append("")
        broken[-1] += part
    return [clip_text(line.rstrip(" ·"), widest) for line in broken]


def _label(
    axes: Axes, labels: Sequence[RowLabel], details: Sequence[Sequence[str]], rows: np.ndarray[Any, Any]
) -> None:
    at = axes.get_yaxis_transform()  # x in parts of the axis, y in inches
    behind = {"facecolor": style.PAPER, "edgecolor": "none", "pad": 1.2}  # keeps grid lines out of the words
    for label, lines, y in zip(labels, details, rows, strict=True):
        options: dict[str, Any] = {"transform": at, "va": "center", "bbox": behind, "in_layout": False}
        colour = style.MUTED if label.quiet else style.INK
        number = style.VERMILION if label.leaky else colour
        top = y + _ABOVE_IN + _LINE_IN * len(lines)
        weight = "normal" if label.quiet else "bold"
        axes.text(0, top, label.title, fontsize=9, color=colour, weight=weight, **options)
        axes.text(1, top, label.number, fontsize=9, color=number, ha="right", **options)
        for line, detail in enumerate(lines):
            height = y + _ABOVE_IN + _LINE_IN * (len(lines) - 1 - line)
            axes.text(0, height, detail, fontsize=7.8, color=style.MUTED, **options)
