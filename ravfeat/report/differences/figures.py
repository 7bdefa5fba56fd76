"""Drawings of differences, with their intervals and a zero line."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ravfeat.report.differences.findings import Contrast
from ravfeat.report.drawings.labels import axis_words, label_of, shared_facts
from ravfeat.report.drawings.marks import Mark, dot, mark_of, span
from ravfeat.report.drawings.rows import RowLabel, system_rows

__all__ = ["difference_figure"]


def difference_figure(contrasts: Sequence[Contrast]) -> Figure:
    """Draw the difference in pooled UAR of every contrast.

    Where all have the same first system, rows are named by the second.
    """
    common = len({id(one.a) for one in contrasts}) == 1
    entries = [contrasts[0].a, *(one.b for one in contrasts)]
    shared = shared_facts(entries)

    def draw(axes: Axes, row: int, y: float) -> None:
        one = contrasts[row]
        found = one.found["uar"]
        mark = mark_of(one.a.system.stream, leaky=one.a.leaky)
        mark = Mark(mark.colour, mark.shape, mark.hollow, "alternative" in (one.a.role, one.b.role))
        span(axes, found.ci_low, found.ci_high, y, mark)
        dot(axes, found.value, y, mark)

    labels = [_label(one, shared, common=common) for one in contrasts]
    first = contrasts[0].a.system.stream if common else "first"
    words = f"{first} minus {'the system named' if common else 'second'}\nUAR (mean recall), pooled · dotted: zero"
    return system_rows(labels, draw, xlabel=axis_words(words, entries, shared), line=0.0)


def _label(one: Contrast, shared: Sequence[str], *, common: bool) -> RowLabel:
    found = one.found["uar"]
    number = f"{found.value:+.3f} [{found.ci_low:+.3f}, {found.ci_high:+.3f}]"
    second = label_of(one.b, number, shared)
    if common:
        return RowLabel(second.title, number, second.details, one.a.leaky, second.quiet)
    first = label_of(one.a, number, shared)
    details = (first.details[0], f"minus {second.title} · {second.details[0]}")
    return RowLabel(first.title, number, details, one.a.leaky, first.quiet or second.quiet)
