"""Drawings that set systems side by side: headline intervals, folds, the leak gap.

Offers
------
headline_figure, folds_figure, leak_figure.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ravfeat.report import style
from ravfeat.report.graded import Graded
from ravfeat.report.leak import LeakGap
from ravfeat.report.rows import RowLabel, dot, system_rows

__all__ = ["folds_figure", "headline_figure", "leak_figure"]


def headline_figure(graded: Sequence[Graded]) -> Figure:
    """Draw pooled UAR of every system with its interval over actors, and chance."""

    def draw(axes: Axes, row: int, y: float) -> None:
        record = graded[row].records["uar", "pooled"]
        colour = style.VERMILION if graded[row].leaky else style.BLUE
        axes.plot([record["ci_low"], record["ci_high"]], [y, y], color=colour, linewidth=2.2, solid_capstyle="round")
        dot(axes, record["value"], y, leaky=graded[row].leaky)

    numbers = [_interval(entry.records["uar", "pooled"]) for entry in graded]
    return system_rows(
        [_label(entry, number) for entry, number in zip(graded, numbers, strict=True)],
        draw,
        xlabel="UAR (mean recall), pooled · dotted: chance",
        chance=1 / len(graded[0].probs.classes),
    )


def folds_figure(graded: Sequence[Graded]) -> Figure:
    """Draw the UAR of every fold as a dot and their mean as a bar."""

    def draw(axes: Axes, row: int, y: float) -> None:
        entry = graded[row]
        values = np.array([fold["uar"] for fold in entry.folds])
        colour = style.VERMILION if entry.leaky else style.BLUE
        face = style.PAPER if entry.leaky else colour
        axes.plot(
            values,
            np.full(len(values), y),
            "o",
            markersize=6,
            color=colour,
            markerfacecolor=face,
            alpha=0.65,
            markeredgewidth=1.2,
        )
        axes.plot([values.mean()] * 2, [y - 0.14, y + 0.1], color=style.INK, linewidth=2)

    labels = []
    for entry in graded:
        record = entry.records["uar", "fold_mean"]
        labels.append(_label(entry, f"{record['value']:.3f}{_spread(record['sd'])}"))
    return system_rows(labels, draw, xlabel="UAR (mean recall) of each fold · bar: fold mean")


def leak_figure(gaps: Sequence[LeakGap]) -> Figure:
    """Draw, for each pair, the honest and the LEAKY pooled UAR and the stretch between them."""

    def draw(axes: Axes, row: int, y: float) -> None:
        gap = gaps[row].differences[0]
        axes.plot([gap.value_b, gap.value_a], [y, y], color=style.GRID, linewidth=5, solid_capstyle="butt")
        dot(axes, gap.value_b, y, leaky=False, size=7.5)
        dot(axes, gap.value_a, y, leaky=True, size=7.5)

    labels = []
    for gap in gaps:
        difference = gap.differences[0]
        number = f"{difference.value:+.3f} [{difference.ci_low:+.3f}, {difference.ci_high:+.3f}]"
        detail = f"{gap.honest.protocol} (filled) to {gap.leaky.protocol} (hollow) · n = {difference.n}"
        details = (gap.honest.system.features, _synthetic(gap.honest) + detail)
        labels.append(RowLabel(_name(gap.honest), number, details, leaky=True))
    return system_rows(labels, draw, xlabel="UAR (mean recall), pooled")


def _label(entry: Graded, number: str) -> RowLabel:
    return RowLabel(_name(entry), number, (entry.system.features, entry.conditions), leaky=entry.leaky)


def _name(entry: Graded) -> str:
    return f"{entry.system.head} · {entry.system.stream}"


def _synthetic(entry: Graded) -> str:
    return "synthetic · " if entry.synthetic else ""


def _interval(record: Mapping[str, Any]) -> str:
    return f"{record['value']:.3f} [{record['ci_low']:.3f}, {record['ci_high']:.3f}]"


def _spread(sd: float | None) -> str:
    return "" if sd is None else f" ± {sd:.3f}"
