"""Small generated features with a known informative layer."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from ravfeat.features.clips import ClipFeatures
from ravfeat.heads.base import Job
from ravfeat.heads.registry import HEADS
from ravfeat.numerics.pooling import pool_frames

N_CLASSES = 3
INFORMATIVE = 2


OF_ONE_CACHE = [name for name, head in HEADS.items() if not getattr(head, "streams", ())]
"""All heads but those that need a voice and a face, whose own tests ask the same of them."""


@dataclass(frozen=True)
class Problem:
    features: ClipFeatures
    y: NDArray[np.int64]
    train: NDArray[np.int64]
    val: NDArray[np.int64]
    test: NDArray[np.int64]

    @property
    def n_classes(self) -> int:
        return N_CLASSES

    @property
    def informative(self) -> int:
        return INFORMATIVE

    def job(self, seed: int = 0) -> Job:
        return Job(self.train, self.val, seed)

    def accuracy(self, logits: NDArray[np.float32], rows: NDArray[np.int64]) -> float:
        return float((logits.argmax(-1) == self.y[rows]).mean())

    def pooled(self, statistics: tuple[str, ...]) -> ClipFeatures:
        """What a pooled cache of these frames would hold."""
        values = pool_frames(self.features.frames, self.features.offsets, statistics)
        offsets = np.arange(len(values) + 1, dtype=np.int64)
        frames = values.reshape(len(values), values.shape[1], -1)
        return ClipFeatures(frames, offsets, self.features.layers, statistics)


def make(n_clips: int = 150, n_layers: int = 4, dim: int = 12, strength: float = 1.5, seed: int = 0) -> Problem:
    """Clips whose class moves the mean of layer `INFORMATIVE` and of no other."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n_clips) % N_CLASSES).astype(np.int64)
    lengths = rng.integers(5, 30, n_clips)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    clip = np.repeat(np.arange(n_clips), lengths)
    frames = rng.normal(size=(len(clip), n_layers, dim)) + rng.normal(size=(n_clips, n_layers, dim))[clip]
    directions = rng.normal(size=(N_CLASSES, dim))
    frames[:, INFORMATIVE] += strength * directions[y[clip]]
    features = ClipFeatures(frames.astype(np.float16), offsets, tuple(range(n_layers)))
    rows = rng.permutation(n_clips).astype(np.int64)
    third = n_clips // 5
    return Problem(features, y, rows[: 3 * third], rows[3 * third : 4 * third], rows[4 * third :])


@pytest.fixture(scope="session")
def problem() -> Problem:
    return make()


@pytest.fixture(scope="session")
def make_problem() -> Callable[..., Problem]:
    return make
