"""Cheats in features that another program made: they have seen labels, or the test actors' other clips."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from tests.cheats.material import Cheated, Honest, uar_of


def _imported(honest: Honest, folder: Path, features: NDArray[np.floating[Any]], **options: Any) -> Cheated:
    run = honest.fit_imported(folder, features, **options)
    return Cheated(run, honest.uar_imported, uar_of(run))


def _per_actor(honest: Honest, change: Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]) -> NDArray[Any]:
    """Change the features of every actor, given the labels of the actor's clips."""
    features, actors = honest.pooled.copy(), honest.column("actor")
    for actor in np.unique(actors):
        features[actors == actor] = change(features[actors == actor], honest.column("label")[actors == actor])
    return features


def lda_on_all_clips(honest: Honest, folder: Path) -> Cheated:
    """Project with a discriminant analysis that was fitted on all clips and their labels, test clips too."""
    lda = LinearDiscriminantAnalysis().fit(honest.pooled, honest.column("label"))
    return _imported(honest, folder, lda.transform(honest.pooled))


def label_code(honest: Honest, folder: Path) -> Cheated:
    """Put a noisy code of the label beside the features, as a leftover column of a table would."""
    classes, y = np.unique(honest.column("label"), return_inverse=True)
    code = np.eye(len(classes))[y] + np.random.default_rng(0).normal(0, 0.45, (len(y), len(classes)))
    return _imported(honest, folder, np.concatenate([honest.pooled, code], axis=1))


def standardised_per_actor(honest: Honest, folder: Path) -> Cheated:
    """Standardise every actor by all of their clips, test actors too."""
    return _imported(honest, folder, _per_actor(honest, lambda x, _: (x - x.mean(0)) / x.std(0)))


def neutral_subtracted(honest: Honest, folder: Path) -> Cheated:
    """Subtract the mean of an actor's own neutral clips, which takes the test actors' labels."""
    return _imported(honest, folder, _per_actor(honest, lambda x, labels: x - x[labels == "neutral"].mean(0)))


def without_hard_clips(honest: Honest, folder: Path) -> Cheated:
    """Fail to make features of two thirds of the clips that an honest head gets wrong."""
    hard = honest.wrong & (np.random.default_rng(0).random(len(honest.rows)) < 2 / 3)
    return _imported(honest, folder, honest.pooled, keep=~hard)
