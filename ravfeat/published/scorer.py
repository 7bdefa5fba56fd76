"""What predicting recordings needs of a published head; `ravfeat.published.PublishedHead` has all of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ravfeat.predictions import System
from ravfeat.published.domain import Domain
from ravfeat.published.parts import PublishedClip, PublishedSystem, Source
from ravfeat.published.scored_clips import ScoredClips

__all__ = ["Scorer"]


class Scorer(Protocol):
    """What a predictor needs of a `ravfeat.published.PublishedHead`."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes, length K."""
        ...

    @property
    def parts(self) -> tuple[PublishedSystem, ...]:
        """Systems with heads."""
        ...

    @property
    def systems(self) -> tuple[System, ...]:
        """Those, and their mixture."""
        ...

    @property
    def path(self) -> Path:
        """Folder."""
        ...

    @property
    def window_s(self) -> float | None:
        """Median length of the training clips in seconds."""
        ...

    def domain(self, fingerprint: str) -> Domain | None:
        """Give what the training features of a cache were like."""
        ...

    def trained_on(self, source: Source, stream: str) -> frozenset[str]:
        """Give the digests of the recordings that taught the heads."""
        ...

    def score(
        self,
        features: Sequence[ScoredClips | None],
        clips: Sequence[Sequence[PublishedClip]],
        sources: Sequence[Source],
    ) -> dict[System, NDArray[np.float64]]:
        """Give probabilities (N, K)."""
        ...

    def attention(
        self, system: System, features: ScoredClips, sources: Sequence[Source]
    ) -> list[NDArray[np.float32]] | None:
        """Say where in clips a system's heads pool from."""
        ...
