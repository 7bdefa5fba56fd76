"""Draw what mattered in a sweep: the validation UAR of all plans, by every choice that some of them differ in."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ravfeat.report.drawings import style
from ravfeat.report.drawings.rows import RowLabel, system_rows
from ravfeat.sweep.folder import TrialRecord

__all__ = ["Level", "factor_figure", "levels_of"]

_MOST_LEVELS = 60
_CHANCE = "between"
"""Seeds and folds are not chosen: how much they move a score says what a difference between choices is worth."""


@dataclass(frozen=True)
class Level:
    """One value of one factor.

    Attributes
    ----------
    factor, value : str
    uars : ndarray of shape (P,), float64
        Validation UAR of the plans that have it; between seeds, or folds, the mean of each over all plans.
    """

    factor: str
    value: str
    uars: NDArray[np.float64]


def levels_of(ranking: Sequence[TrialRecord]) -> list[Level]:
    """Part the plans by each factor that varies; factors by how far the medians of their values lie apart.

    Returns
    -------
    list of Level
        Empty for a single plan. What lies between seeds and between folds comes last.
    """
    if len(ranking) < 2:
        return []
    factors: dict[str, dict[str, list[float]]] = {}
    for trial in ranking:
        for name, value in trial.factors.items():
            factors.setdefault(name, {}).setdefault(value, []).append(trial.validation.uar)
    chosen = {name: values for name, values in factors.items() if len(values) > 1}
    by_spread = sorted(chosen, key=lambda name: -_spread(list(chosen[name].values())))
    levels = [(name, value, uars) for name in by_spread for value, uars in chosen[name].items()]
    chance = [(_CHANCE, f"{name}s", _means(ranking, name)) for name in ("seed", "fold")]
    shown = [*levels[:_MOST_LEVELS], *(level for level in chance if len(level[2]) > 1)]
    return [Level(name, value, np.array(uars)) for name, value, uars in shown]


def _means(ranking: Sequence[TrialRecord], name: str) -> list[float]:
    """Give the mean UAR of every seed, or of every fold, over all plans."""
    scores = [score for trial in ranking for score in trial.validation.scores]
    numbers = sorted({getattr(score, name) for score in scores})
    return [float(np.mean([score.uar for score in scores if getattr(score, name) == number])) for number in numbers]


def _spread(values: Sequence[Sequence[float]]) -> float:
    return float(np.ptp([np.median(uars) for uars in values]))


def factor_figure(levels: Sequence[Level], conditions: str) -> Figure:
    """Draw a dot per plan (seed, fold) and a stroke at the median, one row per value of a factor."""

    def draw(axes: Axes, number: int, y: float) -> None:
        level = levels[number]
        colour = style.MUTED if level.factor == _CHANCE else style.BLUE
        axes.plot([level.uars.min(), level.uars.max()], [y, y], color=style.GRID, linewidth=4, solid_capstyle="round")
        axes.plot(level.uars, np.full(len(level.uars), y), "o", color=colour, alpha=0.35, markersize=4, linewidth=0)
        axes.plot([np.median(level.uars)], [y], "|", color=colour, markersize=13, markeredgewidth=2)

    labels = [
        RowLabel(f"{level.factor} {level.value}", f"{np.median(level.uars):.3f}", quiet=level.factor == _CHANCE)
        for level in levels
    ]
    words = "UAR on validation rows · dot: a plan, seed or fold"
    *first, rows = conditions.split(", ", 2)
    return system_rows(labels, draw, xlabel=f"{words}\n{', '.join(first)}\n{rows}")
