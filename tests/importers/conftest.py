"""Performances without recordings, and features for them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

STEMS = [f"02-01-{emotion:02}-01-01-01-{actor:02}" for actor in (1, 2) for emotion in (1, 3, 5)]
"""Pictures of six performances; the data folder holds their voices."""

Save = Callable[..., Path]


@pytest.fixture
def voices(tmp_path: Path) -> Path:
    """A data folder with the voices of six performances; nobody listens to them."""
    folder = tmp_path / "voices"
    folder.mkdir()
    for stem in STEMS:
        (folder / f"03{stem[2:]}.wav").write_bytes(stem.encode())
    return folder


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write an npz of three rows per name, or of the arrays that are given."""

    def write(clips: Sequence[str] = tuple(STEMS), file: str = "features.npz", **arrays: NDArray[np.generic]) -> Path:
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        offsets = np.arange(len(clips) + 1) * 3
        plain = {"x": np.arange(offsets[-1] * 4, dtype=np.float32).reshape(-1, 4)}
        np.savez(path, **({"names": np.array(clips), "offsets": offsets} | (arrays or plain)))  # type: ignore[arg-type]
        return path

    return write
