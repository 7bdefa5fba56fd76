"""Whether the folds share an effect: one-way analysis of variance of the actors' UAR on the folds that test them.

The actors of a fold are scored by the same heads. Where those are better or worse for all of its actors, actors are not
independent, and intervals over actors are too narrow: docs/uncertainty.md has by how much. F compares the spread
between folds with that between the actors of a fold (Fisher 1925, "Statistical Methods for Research Workers"); the
intraclass correlation ICC(1) is the share of the variance that actors of a fold have in common (Shrout & Fleiss 1979,
"Intraclass correlations"), negative where folds differ less than chance would have them.

Folds of one actor tell nothing here: what is the fold's and what the actor's cannot be parted, and intervals over
actors hold both.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc

from ravfeat import metrics
from ravfeat.predictions import SystemProbs
from ravfeat.stats.sums import Sums

__all__ = ["FEWEST_FOLDS", "STRONG", "FoldEffect", "fold_effect"]

FEWEST_FOLDS = 4
"""Of folds of two or more actors each; the spread between three has two degrees of freedom."""

STRONG = 0.001
"""Largest p that is called strong: 3 of 1500 simulated runs without an effect (24 actors in 6 folds), 62 of 300 with
one that is as large as what actors differ by. Finished honest runs on RAVDESS, 6 folds, have p from 0.18 to 0.94."""


@dataclass(frozen=True)
class FoldEffect:
    """Result of the analysis.

    Attributes
    ----------
    f, p : float
        F, and how often it is as large without an effect.
    icc : float
        Share of variance that the actors of a fold have in common, -1 to 1.
    n_folds, n_actors : int
        Those that took part.
    """

    f: float
    p: float
    icc: float
    n_folds: int
    n_actors: int

    @property
    def said(self) -> str:
        """Give its numbers, as in "F(5, 18) = 1.31, p = 0.3040, ICC = +0.07"."""
        freedom = f"{self.n_folds - 1}, {self.n_actors - self.n_folds}"
        return f"F({freedom}) = {self.f:.2f}, p = {self.p:.4f}, ICC = {self.icc:+.2f}"


def fold_effect(probs: SystemProbs) -> FoldEffect | None:
    """Analyse the test rows of one system; an actor's UAR is over the classes that the actor plays.

    Returns
    -------
    FoldEffect or None
        None where actors are tested in several folds, or fewer than `FEWEST_FOLDS` folds test two actors or more.
    """
    actors = np.unique(probs.actors)
    tested = {actor: set(probs.folds[probs.actors == actor].tolist()) for actor in actors.tolist()}
    if any(len(folds) > 1 for folds in tested.values()):
        return None
    fold = np.array([min(folds) for folds in tested.values()])
    uar = metrics.uar_from_confusion(Sums.of(probs, actors).counts.sum(1))  # (A, F, K, K) -> (A,)
    groups = [uar[fold == number] for number in np.unique(fold) if (fold == number).sum() > 1]
    return _analyse(groups) if len(groups) >= FEWEST_FOLDS else None


def _analyse(groups: list[NDArray[np.float64]]) -> FoldEffect:
    sizes = np.array([len(group) for group in groups])
    means = np.array([group.mean() for group in groups])
    n_folds, n_actors = len(groups), int(sizes.sum())
    grand = np.concatenate(groups).mean()
    between = float((sizes * (means - grand) ** 2).sum()) / (n_folds - 1)
    within = float(sum(((group - group.mean()) ** 2).sum() for group in groups)) / (n_actors - n_folds)
    if within < 1e-12:  # all actors of a fold score alike
        alone = between < 1e-12
        return FoldEffect(0.0 if alone else np.inf, float(alone), float(not alone), n_folds, n_actors)
    f = between / within
    size = float(n_actors - (sizes**2).sum() / n_actors) / (n_folds - 1)  # of a fold, where they differ
    icc = (between - within) / (between + (size - 1) * within)
    return FoldEffect(f, float(fdtrc(n_folds - 1, n_actors - n_folds, f)), icc, n_folds, n_actors)
