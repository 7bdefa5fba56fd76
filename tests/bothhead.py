"""A head over a voice and a face that learns from views of either: logistic regression on both, side by side."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ravfeat.features.clips import ClipFeatures, Reading
from ravfeat.features.narrow import concatenate_features
from ravfeat.heads.base import Model, Sweep
from ravfeat.heads.logreg import LogregHead

__all__ = ["BothHead"]


@dataclass(frozen=True, kw_only=True)
class BothHead(LogregHead):
    """The head."""

    name: ClassVar[str] = "both"
    several_streams: ClassVar[bool] = True
    stream: ClassVar[str] = "av"
    streams: ClassVar[tuple[str, ...]] = ("audio", "face")
    reads_views: ClassVar[bool] = True

    @property
    def reading(self) -> Reading:
        return replace(super().reading, also=(Reading(statistics=("mean", "std")),))

    def sweep(self, features: ClipFeatures, *given: Any) -> list[Sweep]:
        return super().sweep(beside(features), *given)

    def fit(self, features: ClipFeatures, *given: Any) -> list[Model]:
        return [BothModel(model) for model in super().fit(beside(features), *given)]

    def restore(self, *given: Any) -> Model:
        return BothModel(super().restore(*given))


@dataclass(frozen=True)
class BothModel:
    """Its model."""

    model: Model

    def logits(self, features: ClipFeatures, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.model.logits(beside(features), rows)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)


def beside(features: ClipFeatures) -> ClipFeatures:
    """The streams of the same clips as one."""
    return concatenate_features((replace(features, also=()), *features.also), ("mean", "std"))
