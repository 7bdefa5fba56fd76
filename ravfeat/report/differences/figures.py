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
    common = len({id(contrast.a) for contrast in contrasts}) == 1
    entries = [contrasts[0].a, *(contrast.b for contrast in contrasts)]
    shared = shared_facts(entries)

    def draw(axes: Axes, row: int, y: float) -> None:
        contrast = contrasts[row]
        difference = contrast.differences["uar"]
        mark = mark_of(contrast.a.system.stream, leaky=contrast.a.leaky)
        mark = Mark(mark.colour, mark.shape, mark.hollow, "alternative" in (contrast.a.role, contrast.b.role))
        span(axes, difference.ci_low, difference.ci_high, y, mark)
        dot(axes, difference.value, y, mark)

    labels = [_label(contrast, shared, common=common) for contrast in contrasts]
    first = contrasts[0].a.system.stream if common else "first"
    words = f"{first} minus {'the system named' if common else 'second'}\nUAR (mean recall), pooled · dotted: zero"
    return system_rows(labels, draw, xlabel=axis_words(words, entries, shared), line=0.0)


def _label(contrast: Contrast, shared: Sequence[str], *, common: bool) -> RowLabel:
    difference = contrast.differences["uar"]
    number = f"{difference.value:+.3f} [{difference.ci_low:+.3f}, {difference.ci_high:+.3f}]"
    second = label_of(contrast.b, number, shared)
    if common:
        return RowLabel(second.title, number, second.details, contrast.a.leaky, second.quiet)
    first = label_of(contrast.a, number, shared)
    details = (first.details[0], f"minus {second.title} · {second.details[0]}")
    return RowLabel(first.title, number, details, contrast.a.leaky, first.quiet or second.quiet)
