"""The drawing of permutation importance: what shuffling each group costs, with intervals over actors."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ravfeat.report.drawings import style
from ravfeat.report.drawings.marks import dot, mark_of, span
from ravfeat.report.drawings.rows import clip_text
from ravfeat.report.graded import Graded
from ravfeat.runs.importance_file import GroupImportance

__all__ = ["importance_figure"]

_ROW_IN = 0.21
_WIDEST = 30


def importance_figure(entry: Graded, groups: Sequence[GroupImportance]) -> Figure:
    """Draw the fall of UAR for some groups, one row each, the first on top."""
    figure = style.canvas(0.62 + _ROW_IN * len(groups))
    mark = mark_of(entry.system.stream, leaky=entry.leaky)
    with style.plot(figure) as axes:
        axes.axvline(0, color=style.MUTED, linewidth=0.9, linestyle=style.DOTTED)
        for row, group in enumerate(groups):
            fall = group.uar_fall
            span(axes, fall.ci_low, fall.ci_high, -row, mark, width=1.8)
            dot(axes, fall.value, -row, mark, size=5)
        axes.set_yticks([-row for row in range(len(groups))], [clip_text(group.name, _WIDEST) for group in groups])
        axes.set_ylim(-len(groups) + 0.4, 0.6)
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=(1, 2, 2.5, 5, 10)))
        axes.set_xlabel("fall of pooled UAR when shuffled · dotted: none")
        style.bare(axes, grid="x")
    return figure
