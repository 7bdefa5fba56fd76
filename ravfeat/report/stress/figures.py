"""Drawings of a stressed run: a score against the strength of every condition, recall by class and condition."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ravfeat.report.drawings import style
from ravfeat.report.drawings.labels import system_legend
from ravfeat.report.drawings.marks import Mark, mark_of
from ravfeat.report.drawings.rows import clip_text
from ravfeat.report.graded import Graded
from ravfeat.runs.stress_file import Step, StressScore, Value, ladder

__all__ = ["recalls_figure", "strengths_figure"]

_COLUMNS = 2
_PANEL_IN = 1.55
_ROW_IN = 0.21

Scores = Sequence[StressScore]


def strengths_figure(
    entries: Sequence[tuple[Graded, Scores]], panels: Sequence[Sequence[str]], metric: str, dotted: float | None
) -> Figure:
    """Draw a score of some systems against strength, one panel for each recipe, with intervals over actors.

    Parameters
    ----------
    entries : sequence of (Graded, scores)
    panels : sequence of sequence of str
        The recipes of each panel; several where they have one strength each.
    metric : {"uar", "ece"}
    dotted : float or None
        What chance gives.
    """
    n_rows = -(-len(panels) // _COLUMNS)
    figure = style.canvas(0.45 + 0.16 * len(entries) + _PANEL_IN * n_rows)
    with style.plots(figure, n_rows, _COLUMNS, sharey=True) as several:
        for axes, recipes in zip(several, panels, strict=False):
            if dotted is not None:
                axes.axhline(dotted, color=style.MUTED, linewidth=0.9, linestyle=style.DOTTED)
            for number, (entry, scores) in enumerate(entries):
                mark = mark_of(entry.system.stream, leaky=entry.leaky)
                _line(axes, [score for score in scores if score.recipe in recipes], mark, metric, 0.06 * number)
            _frame(axes, [score for score in entries[0][1] if score.recipe in recipes])
        for axes in several[len(panels) :]:
            axes.set_visible(False)
        for axes in several[::_COLUMNS]:
            axes.set_ylabel("UAR" if metric == "uar" else "ECE", fontsize=8.5)
        system_legend(figure, [entry for entry, _ in entries], size=4.5)
    return figure


def _line(axes: Axes, scores: Scores, mark: Mark, metric: str, shift: float) -> None:
    if not scores:
        return
    steps = ladder(scores)
    places = np.arange(len(steps)) + shift
    # Conditions of one strength each are no ladder: nothing lies between them.
    line = "-" if scores[0].strength is not None else "none"
    face = style.PAPER if mark.hollow else mark.colour
    axes.plot(places, [getattr(step, metric) for step in steps], color=mark.colour, linestyle=line, linewidth=1.3,
              marker=mark.shape, markersize=3.6, markerfacecolor=face, alpha=mark.alpha)  # fmt: skip
    for place, step in zip(places, steps, strict=True):
        if step.score is not None:
            ends: Value = getattr(step.score, metric)
            axes.vlines(place, ends.ci_low, ends.ci_high, color=mark.colour, linewidth=0.9, alpha=0.55)


def _frame(axes: Axes, scores: Scores) -> None:
    steps = ladder(scores)
    axes.set_xticks(range(len(steps)), [_tick(step) for step in steps], fontsize=7.5)
    axes.set_xlim(-0.4, len(steps) - 0.4)
    first = scores[0]
    title = first.title if first.strength is not None else "of one strength"
    axes.set_title(f"{title}{f', {first.unit}' if first.unit else ''}", fontsize=8.5, color=style.INK)
    style.bare(axes, grid="y")


def _tick(step: Step) -> str:
    if step.score is None:
        return "clean"
    return step.score.recipe if step.strength is None else f"{step.strength:g}"


def recalls_figure(entry: Graded, rows: Sequence[tuple[str, Sequence[tuple[str, float]]]]) -> Figure:
    """Draw recall of every class under every condition, as shades with percents.

    Parameters
    ----------
    entry : Graded
        Whose colour it has.
    rows : sequence of (condition, sequence of (class, recall))
        The clean clips first.
    """
    labels = [label for label, _ in rows[0][1]]
    figure = style.canvas(0.95 + _ROW_IN * len(rows))
    colour = mark_of(entry.system.stream, leaky=entry.leaky).colour
    with style.plot(figure) as axes:
        for i, (_, recalls) in enumerate(rows):
            for label, recall in recalls:
                _cell(axes, i, labels.index(label), recall, colour, size=min(7.5, 60 / len(labels)))
        axes.set_yticks(range(len(rows)), [clip_text(name, 24) for name, _ in rows], fontsize=7.5)
        axes.set_xticks(range(len(labels)), [clip_text(label, 12) for label in labels], rotation=45, ha="right",
                        rotation_mode="anchor", fontsize=7.5)  # fmt: skip
        axes.set_xlim(-0.5, len(labels) - 0.5)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlabel("recall in percent", fontsize=8.5)
        style.bare(axes)
        axes.tick_params(colors=style.INK, labelsize=7.5)
    return figure


def _cell(axes: Axes, i: int, j: int, share: float, colour: str, *, size: float) -> None:
    axes.add_patch(
        Rectangle((j - 0.48, i - 0.47), 0.96, 0.94, facecolor=colour, alpha=0.04 + 0.96 * share, linewidth=0)
    )
    ink = style.ON_FILL if share > 0.75 else style.INK
    axes.text(j, i, f"{100 * share:.0f}", ha="center", va="center", color=ink, fontsize=size)
