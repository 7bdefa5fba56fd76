"""A head that chooses what a run recorded as chosen, whatever its validation rows prefer."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import HeadError
from ravfeat.features.clips import ClipFeatures, Reading
from ravfeat.heads.arrays import ArrayKind
from ravfeat.heads.base import Head, Job, Model, Sweep
from ravfeat.heads.recipe import HeadRecipe

__all__ = ["AsRecorded"]


@dataclass(frozen=True)
class AsRecorded:
    """A head with its choices given.

    Attributes
    ----------
    head : Head
    choices : iterator
        One for every fold and seed, in the order in which they are trained.
    """

    head: Head
    choices: Iterator[Any]

    @property
    def name(self) -> str:
        """The head's."""
        return self.head.name

    @property
    def seeded(self) -> bool:
        """The head's."""
        return self.head.seeded

    @property
    def reading(self) -> Reading:
        """The head's."""
        return self.head.reading

    def sweep(self, features: ClipFeatures, y: NDArray[np.int64], n_classes: int, jobs: Sequence[Job]) -> list[Sweep]:
        """Train and score as the head does."""
        return self.head.sweep(features, y, n_classes, jobs)

    def choose(self, sweeps: Sequence[Sweep], y_val: Sequence[NDArray[np.int64]]) -> int:
        """Give the candidate that is recorded; `y_val` is not read.

        Raises
        ------
        HeadError
            Where the head has no such candidate.
        """
        recorded = next(self.choices)
        for number, candidate in enumerate(sweeps[0].candidates):
            if dict(candidate) == recorded:
                return number
        raise HeadError(f"{self.name} can choose among {len(sweeps[0].candidates)} candidates, and {recorded} is none")

    def fit(
        self,
        features: ClipFeatures,
        y: NDArray[np.int64],
        n_classes: int,
        jobs: Sequence[Job],
        chosen: Sequence[Mapping[str, Any]],
    ) -> list[Model]:
        """Train as the head does."""
        return self.head.fit(features, y, n_classes, jobs, chosen)

    def array_kinds(self, recipe: HeadRecipe) -> Mapping[str, ArrayKind]:
        """Say what the arrays are as the head does."""
        return self.head.array_kinds(recipe)

    def restore(self, arrays: Mapping[str, NDArray[Any]], recipe: Mapping[str, Any]) -> Model:
        """Rebuild a model as the head does."""
        return self.head.restore(arrays, recipe)
