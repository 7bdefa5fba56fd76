"""The headline drawing: every system's score with its interval, on one axis."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ravfeat.report.drawings.labels import axis_words, figure_number, label_of, shared_facts
from ravfeat.report.drawings.marks import dot, mark_of, span
from ravfeat.report.drawings.rows import system_rows
from ravfeat.report.graded import Graded

__all__ = ["headline_figure"]


def headline_figure(graded: Sequence[Graded]) -> Figure:
    """Draw pooled UAR of every system with its interval over actors, and chance."""

    def draw(axes: Axes, row: int, y: float) -> None:
        record = graded[row].records["uar", "pooled"]
        mark = mark_of(graded[row].system.stream, leaky=graded[row].leaky)
        span(axes, record["ci_low"], record["ci_high"], y, mark)
        dot(axes, record["value"], y, mark)

    shared = shared_facts(graded)
    return system_rows(
        [label_of(entry, figure_number(entry.records["uar", "pooled"]), shared) for entry in graded],
        draw,
        xlabel=axis_words("UAR (mean recall), pooled · dotted: chance", graded, shared),
        line=1 / len(graded[0].probs.classes),
    )
