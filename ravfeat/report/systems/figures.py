"""Drawings of one system: recall of each emotion, confusion matrix."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ravfeat.report.drawings import style
from ravfeat.report.drawings.marks import Mark, dot, mark_of, span
from ravfeat.report.drawings.rows import clip_text
from ravfeat.report.graded import Graded

__all__ = ["confusion_figure", "recall_figure"]


def recall_figure(entry: Graded) -> Figure:
    """Draw the recall of every class with its interval over actors, and chance."""
    figure = style.canvas(_height_in(entry))
    mark = _mark(entry)
    with style.plot(figure) as axes:
        axes.axvline(1 / len(entry.probs.classes), color=style.MUTED, linewidth=0.9, linestyle=style.DOTTED)
        for row, recall in enumerate(entry.recalls):
            span(axes, recall.ci_low, recall.ci_high, row, mark)
            dot(axes, recall.value, row, mark)
            number = f"{recall.value:.2f}"
            axes.text(
                1.03, row, number, va="center", color=style.INK, transform=axes.get_yaxis_transform(), fontsize=8.5
            )
        axes.set_yticks(range(len(entry.recalls)), [clip_text(recall.label, 18) for recall in entry.recalls])
        axes.set_ylim(len(entry.recalls) - 0.5, -0.5)
        axes.set_xlim(-0.02, 1.02)
        axes.set_xlabel("recall, pooled · dotted: chance")
        style.bare(axes, grid="x")
        axes.tick_params(axis="y", colors=style.INK)
    return figure


def confusion_figure(entry: Graded) -> Figure:
    """Draw how often each true class was called what, in percent of the true class."""
    k = len(entry.probs.classes)
    totals = entry.confusion.sum(1, keepdims=True)
    share = np.divide(entry.confusion, totals, out=np.zeros((k, k)), where=totals > 0)
    figure = style.canvas(_height_in(entry))
    with style.plot(figure) as axes:
        for i, j in np.ndindex(k, k):
            _cell(axes, i, j, float(share[i, j]), _mark(entry).colour, size=min(8.5, 70 / k))
        names = [clip_text(name, 12) for name in entry.probs.classes]
        axes.set_yticks(range(k), names)
        axes.set_xticks(range(k), names, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_xlim(-0.5, k - 0.5)
        axes.set_ylim(k - 0.5, -0.5)
        axes.set_aspect("equal")
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        style.bare(axes)
        axes.tick_params(colors=style.INK)
    return figure


def _cell(axes: Axes, i: int, j: int, share: float, colour: str, *, size: float) -> None:
    axes.add_patch(
        Rectangle((j - 0.47, i - 0.47), 0.94, 0.94, facecolor=colour, alpha=0.04 + 0.96 * share, linewidth=0)
    )
    if share >= 0.005:
        ink = style.ON_FILL if share > 0.75 else style.INK
        axes.text(j, i, f"{100 * share:.0f}", ha="center", va="center", color=ink, fontsize=size)


def _height_in(entry: Graded) -> float:
    # One height for the drawings of a system, so that they stand level side by side.
    return 0.95 + 0.34 * max(len(entry.probs.classes), 5)


def _mark(entry: Graded) -> Mark:
    mark = mark_of(entry.system.stream, leaky=entry.leaky)
    return Mark(mark.colour, mark.shape, mark.hollow)  # nothing stands beside it that it would have to step back for
