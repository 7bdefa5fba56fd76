"""Drawings of a corpus: clips by two columns, a measure by label, clips in the plane, what layers tell apart."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ravfeat.explore.counts import Cross
from ravfeat.explore.listing import natural
from ravfeat.report.drawings import style
from ravfeat.report.drawings.rows import clip_text

if TYPE_CHECKING:  # they bring torch, which a report of finished runs does without
    from ravfeat.explore.embedding import Embedding
    from ravfeat.explore.separability import Separability

__all__ = ["MOST_NAMED", "cross_figure", "embedding_figure", "measure_figure", "separability_figure"]

MOST_NAMED = 24
"""Values of a column that have a mark of their own."""

_SHAPES = "os^Dv"
_WIDEST = 14
_PEOPLE = style.VERMILION


def cross_figure(cross: Cross) -> Figure:
    """Draw clips by two columns; a darker cell has more, an empty one none."""
    rows, columns = cross.counts.shape
    figure = style.canvas(0.9 + 0.2 * max(rows, 3))
    most = max(1, int(cross.counts.max()))
    with style.plot(figure) as axes:
        for i, j in np.ndindex(rows, columns):
            _cell(axes, i, j, int(cross.counts[i, j]), most, size=min(8.0, 110 / columns / len(str(most))))
        names = [clip_text(name or "(empty)", _WIDEST) for name in cross.columns]
        axes.set_yticks(range(rows), [clip_text(name or "(empty)", _WIDEST) for name in cross.rows])
        axes.set_xticks(range(columns), names, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_xlim(-0.5, columns - 0.5)
        axes.set_ylim(rows - 0.5, -0.5)
        axes.set_xlabel(f"{cross.names[1]} · clips")
        axes.set_ylabel(cross.names[0])
        style.bare(axes)
        axes.tick_params(colors=style.INK, labelsize=min(8.5, 190 / columns))
    return figure


def _cell(axes: Axes, i: int, j: int, n: int, most: int, *, size: float) -> None:
    if not n:  # who looks for gaps looks for these
        axes.text(j, i, "·", ha="center", va="center", color=style.VERMILION, fontsize=8)
        return
    share = n / most
    place = (j - 0.47, i - 0.46)
    axes.add_patch(Rectangle(place, 0.94, 0.92, facecolor=style.BLUE, alpha=0.06 + 0.9 * share, linewidth=0))
    ink = style.ON_FILL if share > 0.6 else style.INK
    if size >= 4.5:
        axes.text(j, i, str(n), ha="center", va="center", color=ink, fontsize=size)


def measure_figure(values: NDArray[np.float64], labels: Sequence[str], words: str) -> Figure:
    """Draw one measure of every class: a bar from the 5th to the 95th percentile, a thick one over half, the median."""
    names = sorted(set(labels), key=natural)
    of_class = np.asarray(labels, object)
    figure = style.canvas(0.6 + 0.26 * len(names))
    with style.plot(figure) as axes:
        axes.axvline(float(np.nanmedian(values)), color=style.MUTED, linewidth=0.9, linestyle=style.DOTTED)
        for row, name in enumerate(names):
            own = values[(of_class == name) & np.isfinite(values)]
            if not len(own):
                continue
            low, first, middle, third, high = np.percentile(own, [5, 25, 50, 75, 95])
            axes.plot([low, high], [row, row], color=style.BLUE, linewidth=1.4, alpha=0.6)
            axes.plot([first, third], [row, row], color=style.BLUE, linewidth=6, alpha=0.45, solid_capstyle="butt")
            axes.plot([middle], [row], "o", color=style.BLUE, markersize=5, markeredgecolor=style.PAPER)
        axes.set_yticks(range(len(names)), [clip_text(name, 18) for name in names])
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.set_xlabel(f"{words} · dotted: median of all")
        style.bare(axes, grid="x")
        axes.tick_params(axis="y", colors=style.INK)
    return figure


def embedding_figure(embedding: "Embedding", values: Sequence[str], title: str) -> Figure:
    """Draw clips in the plane, marked by one column; of many values the most frequent have marks, the others are grey.

    Parameters
    ----------
    embedding : Embedding
    values : sequence of str
        Of every clip of the listing.
    title : str
        Name of the column.
    """
    own = np.array([values[row] for row in embedding.rows], object)
    counts = {name: int((own == name).sum()) for name in sorted(set(own.tolist()), key=natural)}
    named = sorted(sorted(counts, key=lambda name: -counts[name])[:MOST_NAMED], key=natural)
    rows = -(-(len(named) + (len(counts) > len(named))) // 4)
    figure = style.canvas(4.0 + 0.17 * rows)
    with style.plot(figure) as axes:
        rest = ~np.isin(own, named)
        if rest.any():
            x, y = embedding.points[rest].T
            axes.plot(x, y, ".", color=style.MUTED, markersize=3, alpha=0.5, label=f"{len(counts) - len(named)} others")
        for place, name in enumerate(named):
            x, y = embedding.points[own == name].T
            colour = style.CATEGORIES[place % len(style.CATEGORIES)]
            shape = _SHAPES[place // len(style.CATEGORIES) % len(_SHAPES)]
            axes.plot(
                x, y, shape, color=colour, markersize=4, markeredgecolor=style.PAPER, markeredgewidth=0.3,
                linestyle="none", label=clip_text(name or "(empty)", _WIDEST),
            )  # fmt: skip
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(f"by {title}", fontsize=9, color=style.INK, loc="left")
        axes.set_aspect("equal", adjustable="datalim")
        style.bare(axes)
        figure.legend(
            loc="outside lower left", ncols=4, frameon=False, fontsize=7.5, labelcolor=style.INK, handletextpad=0.1,
            columnspacing=0.8, borderpad=0,
        )  # fmt: skip
    return figure


def separability_figure(found: "Separability") -> Figure:
    """Draw, layer by layer, how often classes and actors are named, and chance."""
    figure = style.canvas(2.8)
    layers = [layer.layer for layer in found.layers]
    lines = (
        ("classes, on new actors", [layer.classes for layer in found.layers], found.chance_classes, style.BLUE, "o"),
        (
            "actors, on new emotions",
            [layer.actors for layer in found.layers],
            found.chance_actors,
            style.VERMILION,
            "s",
        ),
    )
    with style.plot(figure) as axes:
        for words, values, chance, colour, shape in lines:
            axes.axhline(chance, color=colour, linewidth=0.9, linestyle=style.DOTTED)
            if np.isfinite(values).any():
                axes.plot(layers, values, f"{shape}-", color=colour, markersize=4.5, linewidth=1.6, label=words)
        axes.set_ylim(0, 1.02)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=9))
        axes.set_xlabel("layer")
        axes.set_ylabel("UAR · dotted: chance")
        style.bare(axes, grid="y")
        figure.legend(loc="outside upper left", ncols=2, frameon=False, fontsize=8, labelcolor=style.INK, borderpad=0)
    return figure
