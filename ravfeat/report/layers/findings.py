"""Learned layer weights of a system, over all its models."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ravfeat.predictions import System
from ravfeat.runs.read import Run

__all__ = ["LayerProfile", "profile_of"]


@dataclass(frozen=True)
class LayerProfile:
    """Layer weights over all folds and seeds of a system.

    Attributes
    ----------
    layers : ndarray of shape (L,), int64
    mean, low, high : ndarray of shape (L,), float64
        Mean, smallest and largest weight; a layer a model did not read counts as 0.
    n_models : int
    """

    layers: NDArray[np.int64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    n_models: int


def profile_of(run: Run, system: System) -> LayerProfile | None:
    """Sum up a system's layer weights; None where it learned none."""
    models = [entry.weights for entry in run.layer_weights if entry.system == system]
    if not models:
        return None
    layers = sorted(set().union(*models))
    weights = np.array([[model.get(layer, 0.0) for layer in layers] for model in models])
    return LayerProfile(np.array(layers), weights.mean(0), weights.min(0), weights.max(0), len(models))
