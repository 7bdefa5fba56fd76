"""Drawings of recall by emotion."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ravfeat.report.drawings import style
from ravfeat.report.drawings.labels import system_legend
from ravfeat.report.drawings.marks import dot, mark_of, span
from ravfeat.report.drawings.rows import clip_text
from ravfeat.report.graded import Graded

__all__ = ["best_recall_figure"]

_BAND = 0.56  # of a row's height, that its marks are spread over


def best_recall_figure(entries: Sequence[Graded]) -> Figure:
    """Draw the recall of every emotion by some systems, one above the other, with intervals over actors."""
    labels = [recall.label for recall in entries[0].recalls]
    figure = style.canvas(0.75 + 0.2 * len(entries) + len(labels) * (0.2 + 0.11 * len(entries)))
    with style.plot(figure) as axes:
        axes.axvline(1 / len(entries[0].probs.classes), color=style.MUTED, linewidth=0.9, linestyle=style.DOTTED)
        for place, entry in enumerate(entries):
            _draw(axes, entry, labels, _BAND * (place / (len(entries) - 1) - 0.5))
        for row in range(1, len(labels)):
            axes.axhline(row - 0.5, color=style.GRID, linewidth=0.6)
        axes.set_yticks(range(len(labels)), [clip_text(label, 18) for label in labels])
        axes.set_ylim(len(labels) - 0.5, -0.5)
        axes.set_xlim(-0.02, 1.02)
        axes.set_xlabel("recall, pooled · dotted: chance")
        style.bare(axes, grid="x")
        axes.tick_params(axis="y", colors=style.INK)
        system_legend(figure, entries)
    return figure


def _draw(axes: Axes, entry: Graded, labels: Sequence[str], shift: float) -> None:
    mark = mark_of(entry.system.stream, leaky=entry.leaky)
    for recall in entry.recalls:
        y = labels.index(recall.label) + shift
        span(axes, recall.ci_low, recall.ci_high, y, mark, width=1.6)
        dot(axes, recall.value, y, mark, size=5)
