"""Contract of a head: training jobs in, candidates' validation logits and trained models out.

Conventions
-----------
Axes: N clips, F frames of all clips one after another, L layers, D dimensions, K classes,
C candidates. Rows are integers into the N clips. Heads know arrays, never paths, protocols or
actors: which rows may train is decided before a head sees a row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ravfeat.features.clips import ClipFeatures, Reading
from ravfeat.heads.arrays import ArrayKind
from ravfeat.heads.recipe import HeadRecipe
from ravfeat.short_repr import short_repr

__all__ = ["ChoosesInTraining", "Head", "Job", "Model", "Sweep"]


@dataclass(frozen=True)
class Job:
    """One training: which rows fit, which rows choose, which seed.

    Attributes
    ----------
    train : ndarray of int64
        Rows whose labels may be learned from.
    val : ndarray of int64
        Rows that candidates are scored on; never learned from. May be empty in a final fit.
    seed : int
    clips : ndarray of int64, as long as `train`, or None
        Which clip each training row is, or is a view of; None where every row is another clip.
    """

    train: NDArray[np.int64]
    val: NDArray[np.int64]
    seed: int = 0
    clips: NDArray[np.int64] | None = None


@short_repr
@dataclass(frozen=True)
class Sweep:
    """Validation logits of every candidate of one job.

    Attributes
    ----------
    candidates : tuple of mapping
        What could be chosen, e.g. ``{"layers": [3], "C": 0.01}`` or ``{"epochs": 7}``.
    logits : ndarray of shape (C, len(job.val), K), float32
    """

    candidates: tuple[Mapping[str, Any], ...]
    logits: NDArray[np.float32]


class Model(Protocol):
    """A trained head."""

    def logits(self, features: ClipFeatures, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score clips.

        Returns
        -------
        ndarray of shape (len(rows), K), float32
        """
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything learned, by name; enough to rebuild the model together with `recipe`."""
        ...

    def attention(self, features: ClipFeatures, rows: NDArray[np.int64]) -> list[NDArray[np.float32]] | None:
        """Say where in every clip the head pools from.

        Returns
        -------
        list of ndarray of shape (T,), or None
            For each row, weights that sum to 1 over its T windows of ``reading.window`` encoder frames, the last of
            which may have fewer. Of heads that weigh every layer's windows by themselves, the mean over layers, each by
            its weight in the head. None for a head that does not weigh windows.
        """
        ...

    @property
    def recipe(self) -> dict[str, Any]:
        """Plain values (TOML can hold them): head name, settings, what was chosen."""
        ...

    @property
    def layer_weights(self) -> dict[int, float] | None:
        """Weight of every layer that was read, summing to 1; None where nothing was learned."""
        ...


class Head(Protocol):
    """A recipe for small models.

    A head never chooses by itself: `sweep` scores candidates on validation rows, `choose` picks
    from one or several sweeps (one per inner fold), `fit` trains the pick.
    """

    @property
    def name(self) -> str:
        """Name in the registry."""
        ...

    @property
    def seeded(self) -> bool:
        """Whether another seed gives another model."""
        ...

    @property
    def reading(self) -> Reading:
        """What it reads of a cache."""
        ...

    def sweep(self, features: ClipFeatures, y: NDArray[np.int64], n_classes: int, jobs: Sequence[Job]) -> list[Sweep]:
        """Train every candidate of every job on ``job.train``; score it on ``job.val``."""
        ...

    def choose(self, sweeps: Sequence[Sweep], y_val: Sequence[NDArray[np.int64]]) -> int:
        """Index of the candidate to use, from the sweeps of one outer fold and seed."""
        ...

    def fit(
        self,
        features: ClipFeatures,
        y: NDArray[np.int64],
        n_classes: int,
        jobs: Sequence[Job],
        chosen: Sequence[Mapping[str, Any]],
    ) -> list[Model]:
        """Train one model per job with the candidate chosen for it, on ``job.train`` only."""
        ...

    def array_kinds(self, recipe: HeadRecipe) -> Mapping[str, ArrayKind]:
        """Say what the arrays of a model with this recipe are.

        Raises
        ------
        HeadError
            For a recipe that this head does not write: contradictions, another choice.
        """
        ...

    def restore(self, arrays: Mapping[str, NDArray[Any]], recipe: Mapping[str, Any]) -> Model:
        """Rebuild a model from its `Model.arrays` and `Model.recipe`."""
        ...


@runtime_checkable
class ChoosesInTraining(Protocol):
    """A head that can choose on the validation rows of each job while it trains, and so trains once."""

    def fit_chosen(
        self, features: ClipFeatures, y: NDArray[np.int64], n_classes: int, jobs: Sequence[Job]
    ) -> list[Model]:
        """Give the models that `Head.sweep`, `Head.choose` and `Head.fit` would give."""
        ...
