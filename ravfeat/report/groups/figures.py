"""The drawing of scores by group: UAR and ECE of every group, a row each, one mark per system."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ravfeat.report.drawings import style
from ravfeat.report.drawings.marks import dot, mark_of, span
from ravfeat.report.drawings.rows import clip_text
from ravfeat.report.groups.findings import RunGroups

__all__ = ["groups_figure"]

_ROW_IN = 0.3
_GAP = 0.6  # rows between two columns
_APART = 0.2  # rows between two systems
_WIDEST = 22


def groups_figure(groups: RunGroups) -> Figure:
    """Draw UAR on the left and ECE on the right, with 95 % intervals over actors."""
    rows = _rows(groups)
    height = -min(rows.values(), default=0.0)
    figure = style.canvas(0.75 + _ROW_IN * (height + 1))
    with style.plots(figure, 1, 2, sharey=True) as (left, right):
        for axes, metric, name in ((left, "uar", "UAR"), (right, "ece", "ECE")):
            for number in range(len(groups.entries)):
                _draw(axes, groups, number, metric, rows)
            axes.xaxis.set_major_locator(MaxNLocator(4, steps=(1, 2, 2.5, 5, 10)))
            axes.set_xlabel(f"{name} of the group")
            style.bare(axes, grid="x")
        left.set_yticks(list(rows.values()), [clip_text(f"{name}: {value}", _WIDEST) for name, value in rows])
        left.set_ylim(-height - 0.6, 0.6)
    return figure


def _rows(groups: RunGroups) -> dict[tuple[str, str], float]:
    """Give the height of every group, the first on top."""
    names = dict.fromkeys(
        (column.name, group.value) for columns in groups.columns for column in columns for group in column.groups
    )
    rows: dict[tuple[str, str], float] = {}
    at, before = 0.0, ""
    for name, value in sorted(names):
        at -= 0.0 if not rows else 1.0 + (_GAP if name != before else 0.0)
        rows[name, value], before = at, name
    return rows


def _draw(axes: Axes, groups: RunGroups, number: int, metric: str, rows: dict[tuple[str, str], float]) -> None:
    entry, n = groups.entries[number], len(groups.entries)
    mark = mark_of(entry.system.stream, leaky=entry.leaky)
    shift = _APART * ((n - 1) / 2 - number)
    for column in groups.columns[number]:
        for group in column.groups:
            score, y = group.scores[metric], rows[column.name, group.value] + shift
            span(axes, score.ci_low, score.ci_high, y, mark, width=1.6)
            dot(axes, score.value, y, mark, size=4.5)
