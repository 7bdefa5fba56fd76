"""Drawings of the mixtures that a fusion could have chosen from."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ravfeat.report.drawings import style
from ravfeat.report.drawings.marks import Mark, dot, mark_of
from ravfeat.report.drawings.rows import clip_text
from ravfeat.report.fused import FusedRun
from ravfeat.report.mixing.findings import Surface

__all__ = ["LEVELS", "share_figure", "weight_figure"]

LEVELS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Nats above the lowest NLL at which the map has its lines."""

_NAME = 30


def share_figure(fused_run: FusedRun, surface: Surface) -> Figure:
    """Draw UAR and NLL of linear mixtures by the share of the first side, and what was chosen, or would be by NLL."""
    mark = _mark(fused_run)
    figure = style.canvas(4.6)
    with style.plots(figure, 2, 1, sharex=True, height_ratios=(3, 2)) as (above, below):
        for curve, chosen, likeliest in zip(surface.curves, surface.chosen, surface.likeliest, strict=True):
            for axes, values in ((above, curve.uar), (below, curve.nll)):
                axes.plot(curve.shares, values, color=style.MUTED, linewidth=0.8, alpha=0.55)
            dot(above, curve.shares[chosen], curve.uar[chosen], mark, size=5.5)
            below.plot(curve.shares[likeliest], curve.nll[likeliest], "v", color=style.INK, markersize=4.5)
        shares = surface.curves[0].shares
        above.plot(shares, surface.uar, color=mark.colour, linewidth=2.2)
        below.plot(shares, surface.linear_nll, color=mark.colour, linewidth=2.2)
        above.set_ylabel("UAR (mean recall)")
        below.set_ylabel("NLL (nats)")
        below.set_xlabel(f"share of weight on {clip_text(surface.sides.names[0], _NAME)}, linear rule")
        for axes in (above, below):
            style.bare(axes, grid="y")
            axes.set_xlim(-0.02, 1.02)
    return figure


def weight_figure(fused_run: FusedRun, surface: Surface) -> Figure:
    """Draw a map of the NLL of log-linear mixtures by the weights of both sides, and what was chosen."""
    mark = _mark(fused_run)
    lowest = surface.nll.min()
    figure = style.canvas(3.9)
    with style.plot(figure) as axes:
        for level in LEVELS:  # one over the other: the lower, the deeper
            inside = [lowest - 1, lowest + level]
            axes.contourf(
                surface.first_axis, surface.second_axis, surface.nll, inside, colors=[mark.colour], alpha=0.13
            )
        _lines(axes, surface, lowest)
        axes.plot([1], [1], "x", color=style.INK, markersize=7, markeredgewidth=1.8)
        for first, second in surface.weights:
            dot(axes, first, second, mark, size=5.5)
        axes.set_xlabel(f"weight of {clip_text(surface.sides.names[0], _NAME)}, log-linear rule")
        axes.set_ylabel(f"weight of {clip_text(surface.sides.names[1], _NAME)}")
        axes.set_aspect("equal")
        style.bare(axes)
    return figure


def _lines(axes: Axes, surface: Surface, lowest: float) -> None:
    """Draw the lines of `LEVELS` and write on each, straight from the lowest point, what it stands for."""
    levels = [lowest + level for level in LEVELS]
    axes.contour(surface.first_axis, surface.second_axis, surface.nll, levels, colors=[style.MUTED], linewidths=0.7)
    row, column = divmod(int(surface.nll.argmin()), len(surface.first_axis))
    for level in LEVELS:
        outside = surface.nll > lowest + level
        up, down = np.flatnonzero(outside[row:, column]), np.flatnonzero(outside[row::-1, column])
        right = np.flatnonzero(outside[row, column:])
        if len(up):
            at = surface.first_axis[column], surface.second_axis[row + up[0]]
        elif len(down):
            at = surface.first_axis[column], surface.second_axis[row - down[0]]
        elif len(right):
            at = surface.first_axis[column + right[0]], surface.second_axis[row]
        else:
            continue
        axes.annotate(f"+{level:g}", at, fontsize=7.5, color=style.INK, ha="center", va="center")


def _mark(fused_run: FusedRun) -> Mark:
    return mark_of(fused_run.fused.system.stream, leaky=fused_run.fused.leaky)
