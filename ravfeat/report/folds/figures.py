"""Drawings with one mark per fold."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ravfeat.report.drawings import style
from ravfeat.report.drawings.labels import axis_words, label_of, shared_facts
from ravfeat.report.drawings.marks import dot, mark_of
from ravfeat.report.drawings.rows import system_rows
from ravfeat.report.fused import FusedRun
from ravfeat.report.graded import Graded

__all__ = ["fold_gain_figure", "folds_figure"]

_FOLD_IN = 0.26  # height of a row


def folds_figure(graded: Sequence[Graded]) -> Figure:
    """Draw the UAR of every fold as a mark and their mean as a bar."""

    def draw(axes: Axes, row: int, y: float) -> None:
        entry = graded[row]
        values = [fold["uar"] for fold in entry.folds]
        mark = mark_of(entry.system.stream, leaky=entry.leaky)
        for value in values:
            dot(axes, value, y, mark, size=5)
        axes.plot([np.mean(values)] * 2, [y - 0.11, y + 0.09], color=style.INK, linewidth=2, alpha=mark.alpha)

    shared = shared_facts(graded)
    labels = []
    for entry in graded:
        record = entry.records["uar", "fold_mean"]
        spread = "" if record["sd"] is None else f" ± {record['sd']:.3f}"
        labels.append(label_of(entry, f"{record['value']:.3f}{spread}", shared))
    return system_rows(
        labels, draw, xlabel=axis_words("UAR (mean recall) of each fold · bar: fold mean", graded, shared)
    )


def fold_gain_figure(fused_run: FusedRun) -> Figure:
    """Draw, for every fold, test UAR of the fused system over the single one that was best where it was learned."""
    n = len(fused_run.gains)
    mark = mark_of(fused_run.fused.system.stream, leaky=fused_run.fused.leaky)
    figure = style.canvas(0.8 + _FOLD_IN * (n + 1))
    with style.plot(figure) as axes:
        axes.axvline(0, color=style.MUTED, linewidth=0.9, linestyle=style.DOTTED)
        for row, gain in enumerate(fused_run.gains):
            axes.plot([0, gain], [row, row], color=mark.colour, linewidth=2.2, alpha=0.4, solid_capstyle="butt")
            dot(axes, gain, row, mark)
        axes.plot([fused_run.gains.mean()] * 2, [n - 0.3, n + 0.3], color=style.INK, linewidth=2)
        at = axes.get_yaxis_transform()
        for row, value in enumerate([*fused_run.gains, fused_run.gains.mean()]):
            axes.text(1.03, row, f"{value:+.3f}", va="center", color=style.INK, fontsize=8.5, transform=at)
        axes.set_yticks(range(n + 1), [*(f"fold {fold.fold}" for fold in fused_run.fusion.folds), "mean"])
        axes.set_ylim(n + 0.6, -0.6)
        low, high = min(0.0, float(fused_run.gains.min())), max(0.0, float(fused_run.gains.max()))
        room = 0.06 * max(high - low, 0.02)
        axes.set_xlim(low - room, high + room)
        axes.set_xlabel("test UAR (mean recall), fused minus best single · dotted: zero")
        style.bare(axes, grid="x")
        axes.tick_params(axis="y", colors=style.INK)
    return figure
