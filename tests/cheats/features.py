"""Cheats in features that another program made: they have seen labels, or the test actors' other clips."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from tests.cheats.material import Cheated, Honest, uar_of


def _imported(honest: Honest, folder: Path, features: NDArray[np.floating[Any]], **options: Any) -> Cheated:
    run = honest.fit_imported(folder, features, **options)
    return Cheated(run, honest.uar_imported, uar_of(run))


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
    features = honest.pooled.copy()
    for actor in np.unique(honest.column("actor")):
        clips = honest.column("actor") == actor
        features[clips] = (features[clips] - features[clips].mean(0)) / features[clips].std(0)
    return _imported(honest, folder, features)


def neutral_subtracted(honest: Honest, folder: Path) -> Cheated:
    """Subtract the mean of an actor's own neutral clips, which takes the test actors' labels."""
    features, neutral = honest.pooled.copy(), honest.column("label") == "neutral"
    for actor in np.unique(honest.column("actor")):
        clips = honest.column("actor") == actor
        features[clips] -= features[clips & neutral].mean(0)
    return _imported(honest, folder, features)


def without_hard_clips(honest: Honest, folder: Path) -> Cheated:
    """Fail to make features of two thirds of the clips that an honest head gets wrong."""
    hard = honest.wrong & (np.random.default_rng(0).random(len(honest.rows)) < 2 / 3)
    return _imported(honest, folder, honest.pooled, keep=~hard)
