"""The drawing of learned layer weights."""

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ravfeat.report.drawings import style
from ravfeat.report.drawings.marks import mark_of
from ravfeat.report.graded import Graded
from ravfeat.report.layers.findings import LayerProfile

__all__ = ["layers_figure"]


def layers_figure(entry: Graded, profile: LayerProfile) -> Figure:
    """Draw the mean weight of every layer, its range over models, and equal weights."""
    figure = style.canvas(2.4)
    colour = mark_of(entry.system.stream, leaky=entry.leaky).colour
    with style.plot(figure) as axes:
        axes.axhline(1 / len(profile.layers), color=style.MUTED, linewidth=0.9, linestyle=style.DOTTED)
        axes.fill_between(profile.layers, profile.low, profile.high, color=colour, alpha=0.22, linewidth=0)
        axes.plot(profile.layers, profile.mean, "o-", color=colour, markersize=4.5, linewidth=1.6)
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=9))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel("layer (0 is the input of the first block)")
        axes.set_ylabel("weight · dotted: equal")
        style.bare(axes, grid="y")
    return figure
