"""Drawings of differences, with their intervals and a zero line."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ravfeat.report.drawings import style
from ravfeat.report.drawings.marks import Mark, dot, mark_of, span
from ravfeat.report.drawings.rows import RowLabel, system_rows
from ravfeat.report.findings.differences import Contrast
from ravfeat.report.findings.fused import FusedRun
from ravfeat.report.words.labels import axis_words, label_of, shared_facts

__all__ = ["difference_figure", "fold_gain_figure"]

_FOLD_IN = 0.26


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


def fold_gain_figure(one: FusedRun) -> Figure:
    """Draw, for every fold, test UAR of the fused system over the single one that was best where it was learned."""
    n = len(one.gains)
    mark = mark_of(one.fused.system.stream, leaky=one.fused.leaky)
    figure = style.canvas(0.8 + _FOLD_IN * (n + 1))
    with style.plot(figure) as axes:
        axes.axvline(0, color=style.MUTED, linewidth=0.9, linestyle=style.DOTTED)
        for row, gain in enumerate(one.gains):
            axes.plot([0, gain], [row, row], color=mark.colour, linewidth=2.2, alpha=0.4, solid_capstyle="butt")
            dot(axes, gain, row, mark)
        axes.plot([one.gains.mean()] * 2, [n - 0.3, n + 0.3], color=style.INK, linewidth=2)
        at = axes.get_yaxis_transform()
        for row, value in enumerate([*one.gains, one.gains.mean()]):
            axes.text(1.03, row, f"{value:+.3f}", va="center", color=style.INK, fontsize=8.5, transform=at)
        axes.set_yticks(range(n + 1), [*(f"fold {fold.fold}" for fold in one.fusion.folds), "mean"])
        axes.set_ylim(n + 0.6, -0.6)
        low, high = min(0.0, float(one.gains.min())), max(0.0, float(one.gains.max()))
        room = 0.06 * max(high - low, 0.02)
        axes.set_xlim(low - room, high + room)
        axes.set_xlabel("test UAR (mean recall), fused minus best single · dotted: zero")
        style.bare(axes, grid="x")
        axes.tick_params(axis="y", colors=style.INK)
    return figure


def _label(one: Contrast, shared: Sequence[str], *, common: bool) -> RowLabel:
    found = one.found["uar"]
    number = f"{found.value:+.3f} [{found.ci_low:+.3f}, {found.ci_high:+.3f}]"
    second = label_of(one.b, number, shared)
    if common:
        return RowLabel(second.title, number, second.details, one.a.leaky, second.quiet)
    first = label_of(one.a, number, shared)
    details = (first.details[0], f"minus {second.title} · {second.details[0]}")
    return RowLabel(first.title, number, details, one.a.leaky, first.quiet or second.quiet)
