"""A folder of clips that a test may spoil, and ways to look at a cache."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ravfeat.cache.index import present_shards


@pytest.fixture
def clips(corpus: Any, tmp_path: Path) -> Path:
    """The clips of `corpus` in a folder of their own that says nothing of being generated."""
    folder = tmp_path / "clips"
    for clip in corpus.manifest:
        (folder / clip.path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(corpus.root / clip.path, folder / clip.path)
    return folder


Stamps = Callable[[Path], dict[str, tuple[int, int]]]


@pytest.fixture(scope="session")
def stamps() -> Stamps:
    """Which shard files are there; another inode or time means that one was written again."""

    def read(folder: Path) -> dict[str, tuple[int, int]]:
        return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in present_shards(folder).values()}

    return read
