"""Reliability diagrams."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ravfeat.report.calibration.findings import Bins, reliability
from ravfeat.report.drawings import style
from ravfeat.report.drawings.marks import Mark, dot, mark_of
from ravfeat.report.graded import Graded

__all__ = ["reliability_figure"]


def reliability_figure(entry: Graded) -> Figure:
    """Draw accuracy by confidence, as the system said it and after its temperature, and the diagonal of honesty."""
    probs, mark = entry.probs, mark_of(entry.system.stream, leaky=entry.leaky)
    mark = Mark(mark.colour, mark.shape, mark.hollow)  # here nothing stands beside it
    figure = style.canvas(2.5)
    with style.plots(figure, 1, 2, sharey=True) as (before, after):
        for axes, values, title in ((before, probs.uncalibrated, "as said"), (after, probs.probs, "calibrated")):
            _panel(axes, reliability(probs.y, values), mark, title)
        before.set_ylabel("accuracy")
        figure.supxlabel("confidence, 15 bins of equal mass", fontsize=9, color=style.MUTED)
    return figure


def _panel(axes: Axes, bins: Bins, mark: Mark, title: str) -> None:
    axes.plot([0, 1], [0, 1], color=style.MUTED, linewidth=0.9, linestyle=style.DOTTED)
    axes.vlines(bins.confidence, bins.confidence, bins.accuracy, color=mark.colour, alpha=0.45, linewidth=1.6)
    for x, y in zip(bins.confidence, bins.accuracy, strict=True):
        dot(axes, x, y, mark, size=4.2)
    axes.set_title(f"{title}: ECE {bins.ece:.3f}", fontsize=9, color=style.INK)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_aspect("equal")
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    style.bare(axes, grid="y")
