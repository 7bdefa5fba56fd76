"""Caches of 24 acted people, small enough for a whole study."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.toycaches import Take, actors_and_emotions
from tests.writtencaches import write_cache


def faces(takes: Sequence[Take], *, width: int, seed: int) -> list[Take]:
    """The same performances, seen: other features of another width."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(takes[0].features.shape[2], width))
    return [
        replace(take, clip_id=f"face-{take.clip_id}", features=(take.features[:, 1:2] @ mixed).astype(np.float32))
        for take in takes
    ]


def write_all(folder: Path, *, actors: int = 24) -> Path:
    """Write a voice that stands in, expressions and landmarks, and give their home."""
    takes = [replace(take, performance_id=take.clip_id) for take in actors_and_emotions(actors=actors)]
    write_cache(folder, takes, name="toy-voice", stream="audio")
    write_cache(folder, faces(takes, width=3, seed=1), name="toy-expressions")
    write_cache(folder, faces(takes, width=5, seed=2), name="landmarks")
    return folder


@pytest.fixture(autouse=True, scope="module")
def reports_without_ink(blank_figures: None) -> None:
    """See there."""


@pytest.fixture(scope="session")
def home(tmp_path_factory) -> Path:
    return write_all(tmp_path_factory.mktemp("study-caches"))
