"""What a mark stands for: one colour and one shape per stream, the same in every drawing.

Audio is a blue circle, face a purple square, another stream a black triangle, what was fused a green
diamond, one head over a voice and a face a green plus. A LEAKY number is hollow and vermilion, whatever
its stream, so that no meaning hangs on colour alone. Mixtures that are shown beside the chosen one are
smaller and paler.
"""

from dataclasses import dataclass

from matplotlib.axes import Axes

from ravfeat.report.drawings import style
from ravfeat.schema import FUSED_STREAMS

__all__ = ["Mark", "dot", "mark_of", "span"]

_STREAMS = {
    "audio": (style.BLUE, "o"),
    "face": (style.PURPLE, "s"),
    "other": (style.INK, "^"),
    "joint": (style.INK, "X"),
    "av": (style.GREEN, "P"),
}
_FUSED = (style.GREEN, "D")
_SMALLER = {
    "o": 1.0,
    "s": 0.92,
    "^": 1.08,
    "X": 1.0,
    "P": 1.0,
    "D": 0.88,
}  # so that shapes of one size look equally large
_PALE = 0.55


@dataclass(frozen=True)
class Mark:
    """How a number is drawn."""

    colour: str
    shape: str = "o"
    hollow: bool = False
    quiet: bool = False

    @property
    def alpha(self) -> float:
        """Opacity."""
        return _PALE if self.quiet else 1.0


def mark_of(stream: str, *, leaky: bool) -> Mark:
    """Look up the mark of a stream."""
    colour, shape = _FUSED if stream in FUSED_STREAMS else _STREAMS[stream]
    return Mark(style.VERMILION if leaky else colour, shape, leaky, stream in FUSED_STREAMS[1:])


def dot(axes: Axes, x: float, y: float, mark: Mark, size: float = 6.5) -> None:
    """Put a mark."""
    axes.plot(
        [x],
        [y],
        marker=mark.shape,
        markersize=size * _SMALLER[mark.shape] * (0.8 if mark.quiet else 1.0) + (0 if mark.hollow else 1.4),
        color=mark.colour,
        markerfacecolor=style.PAPER if mark.hollow else mark.colour,
        markeredgecolor=mark.colour if mark.hollow else style.PAPER,  # so that marks on each other stay apart
        markeredgewidth=1.6 if mark.hollow else 0.6,
        alpha=mark.alpha,
        linestyle="none",
        clip_on=False,  # a mark on an edge stays whole
    )


def span(axes: Axes, low: float, high: float, y: float, mark: Mark, width: float = 2.2) -> None:
    """Draw an interval."""
    axes.plot(
        [low, high],
        [y, y],
        color=mark.colour,
        linewidth=width * (0.7 if mark.quiet else 1.0),
        alpha=mark.alpha,
        solid_capstyle="round",
    )
