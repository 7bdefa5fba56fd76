"""What a head is: the arrays it reads, the work it is given, what it gives back.

Conventions
-----------
Axes: N clips, F frames of all clips one after another, L layers, D dimensions, K classes,
C candidates. Rows are integers into the N clips. Heads know arrays, never paths, protocols or
actors; who may train whom is decided before a head sees a row.

Offers
------
Reading, ClipFeatures, Job, Sweep, Head, ChoosesInTraining, Model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ravfeat.stored_frames import StoredFrames

__all__ = ["ChoosesInTraining", "ClipFeatures", "Head", "Job", "Model", "Reading", "Sweep"]


@dataclass(frozen=True)
class Reading:
    """What a head needs of a cache, so that no more is held in memory.

    Attributes
    ----------
    window : int
        Encoder frames that may be averaged to one.
    statistics : tuple of str
        Names out of `ravfeat.pooling.STATISTICS` where these are all the head reads; empty where
        it reads frames.
    """

    window: int = 1
    statistics: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClipFeatures:
    """Features of N clips in memory.

    Attributes
    ----------
    frames : ndarray of shape (F, L, D), float16 or float32
        Frames of all clips, clip after clip. In a pooled cache every clip has one frame.
    offsets : ndarray of shape (N + 1,), int64
        Clip ``i`` owns ``frames[offsets[i]:offsets[i + 1]]``.
    layers : tuple of int, length L
        The encoder's layer number of each entry of the layer axis.
    statistics : tuple of str
        Empty for frames. For a pooled cache the names of the statistics that lie one after
        another in the last axis, e.g. ``("mean", "std")``, each D / len(statistics) wide.
    window : int
        Encoder frames that were averaged to one frame already.
    blocks : tuple of int
        Empty for the features of one cache. Where several were joined, the width that each has
        within every statistic, in their order.
    also : tuple of ClipFeatures
        What further streams say of the same clips, in the same order, for heads that read several.
    stored : StoredFrames or None
        The frames where they stay on the disk; ``frames`` is then of shape (0, L, D).
    """

    frames: NDArray[Any]
    offsets: NDArray[np.int64]
    layers: tuple[int, ...]
    statistics: tuple[str, ...] = ()
    window: int = 1
    blocks: tuple[int, ...] = ()
    also: tuple["ClipFeatures", ...] = ()
    stored: StoredFrames | None = None

    def __len__(self) -> int:
        """Count the clips."""
        return len(self.offsets) - 1


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
        Which clip each training row is, or is a view of; None where every row is a clip of its own.
    """

    train: NDArray[np.int64]
    val: NDArray[np.int64]
    seed: int = 0
    clips: NDArray[np.int64] | None = None


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
        """What the registry calls it."""
        ...

    @property
    def seeded(self) -> bool:
        """Whether another seed gives another model."""
        ...

    @property
    def reading(self) -> Reading:
        """What it needs of a cache."""
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

    def restore(self, arrays: Mapping[str, NDArray[Any]], recipe: Mapping[str, Any]) -> Model:
        """Rebuild a model from its `Model.arrays` and `Model.recipe`."""
        ...


@runtime_checkable
class ChoosesInTraining(Protocol):
    """A head that can choose on each job's own validation rows while it trains, and so train once."""

    def fit_chosen(
        self, features: ClipFeatures, y: NDArray[np.int64], n_classes: int, jobs: Sequence[Job]
    ) -> list[Model]:
        """Give the models that `Head.sweep`, `Head.choose` and `Head.fit` would give."""
        ...
