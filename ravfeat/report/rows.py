"""Drawings with one row per system: the name above, the numbers below, all on one axis.

Offers
------
RowLabel, system_rows, dot, clip_text.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ravfeat.report import style

__all__ = ["RowLabel", "clip_text", "dot", "system_rows"]

_ROW_IN = 0.8
_DETAIL_SIGNS = 64


@dataclass(frozen=True)
class RowLabel:
    """Words above a row: a title with a number flush right, then quieter lines."""

    title: str
    number: str
    details: tuple[str, ...]
    leaky: bool = False


def system_rows(
    labels: Sequence[RowLabel],
    draw: Callable[[Axes, int, float], None],
    *,
    xlabel: str,
    chance: float | None = None,
) -> Figure:
    """Lay out one row per label and let `draw(axes, row, y)` put its marks at height `y`."""
    figure = style.canvas(0.6 + _ROW_IN * len(labels))
    with style.plot(figure) as axes:
        if chance is not None:
            axes.axvline(chance, color=style.MUTED, linewidth=0.9, linestyle=(0, (2, 2)))
        for row in range(len(labels)):
            draw(axes, row, -float(row))
        axes.set_ylim(-len(labels) + 0.65, 0.85)
        _label(axes, labels)
        axes.set_yticks([])
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.set_xlabel(xlabel)
        style.bare(axes, grid="x")
    return figure


def dot(axes: Axes, x: float, y: float, *, leaky: bool, size: float = 6.5) -> None:
    """Put a filled blue dot for an honest number, a hollow vermilion one for a LEAKY one."""
    colour = style.VERMILION if leaky else style.BLUE
    axes.plot(
        [x],
        [y],
        marker="o",
        markersize=size,
        color=colour,
        markerfacecolor=style.PAPER if leaky else colour,
        markeredgewidth=1.6,
    )


def clip_text(text: str, widest: int) -> str:
    """Shorten a long name in its middle; the tables have it in full."""
    if len(text) <= widest:
        return text
    keep = widest - 1
    return f"{text[: keep // 2]}…{text[len(text) - (keep - keep // 2) :]}"


def _label(axes: Axes, labels: Sequence[RowLabel]) -> None:
    at = axes.get_yaxis_transform()  # x in parts of the axis, y in rows
    behind = {"facecolor": style.PAPER, "edgecolor": "none", "pad": 1.2}  # keeps grid lines out of the words
    for row, label in enumerate(labels):
        options: dict[str, Any] = {"transform": at, "va": "center", "bbox": behind}
        colour = style.VERMILION if label.leaky else style.INK
        axes.text(0, 0.64 - row, label.title, fontsize=9, color=style.INK, weight="bold", **options)
        axes.text(1, 0.64 - row, label.number, fontsize=9, color=colour, ha="right", **options)
        for line, detail in enumerate(label.details):
            words = clip_text(detail, _DETAIL_SIGNS)
            axes.text(0, 0.43 - 0.2 * line - row, words, fontsize=7.8, color=style.MUTED, **options)
