"""Drawings that set systems side by side: headline intervals, folds, the leak gap."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ravfeat.report.drawings import style
from ravfeat.report.drawings.marks import dot, mark_of, span
from ravfeat.report.drawings.rows import RowLabel, system_rows
from ravfeat.report.findings.graded import Graded
from ravfeat.report.findings.leak import LeakGap
from ravfeat.report.words.labels import axis_words, figure_number, label_of, shared_facts, short_name

__all__ = ["folds_figure", "headline_figure", "leak_figure"]


def headline_figure(graded: Sequence[Graded]) -> Figure:
    """Draw pooled UAR of every system with its interval over actors, and chance."""

    def draw(axes: Axes, row: int, y: float) -> None:
        record = graded[row].records["uar", "pooled"]
        mark = mark_of(graded[row].system.stream, leaky=graded[row].leaky)
        span(axes, record["ci_low"], record["ci_high"], y, mark)
        dot(axes, record["value"], y, mark)

    shared = shared_facts(graded)
    return system_rows(
        [label_of(entry, figure_number(entry.records["uar", "pooled"]), shared) for entry in graded],
        draw,
        xlabel=axis_words("UAR (mean recall), pooled · dotted: chance", graded, shared),
        line=1 / len(graded[0].probs.classes),
    )


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


def leak_figure(gaps: Sequence[LeakGap]) -> Figure:
    """Draw, for each pair, the honest and the LEAKY pooled UAR and the stretch between them."""

    def draw(axes: Axes, row: int, y: float) -> None:
        gap, stream = gaps[row].differences[0], gaps[row].honest.system.stream
        axes.plot([gap.value_b, gap.value_a], [y, y], color=style.GRID, linewidth=5, solid_capstyle="butt")
        dot(axes, gap.value_b, y, mark_of(stream, leaky=False), size=7.5)
        dot(axes, gap.value_a, y, mark_of(stream, leaky=True), size=7.5)

    labels = []
    for gap in gaps:
        difference, honest = gap.differences[0], gap.honest
        number = f"{difference.value:+.3f} [{difference.ci_low:+.3f}, {difference.ci_high:+.3f}]"
        synthetic = "synthetic · " if honest.synthetic else ""
        splits = f"{synthetic}{honest.protocol} (filled) to {gap.leaky.protocol} (hollow) · n = {difference.n}"
        labels.append(RowLabel(short_name(honest), number, (honest.system.features, splits), leaky=True))
    return system_rows(labels, draw, xlabel="UAR (mean recall), pooled")
