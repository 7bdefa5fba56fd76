"""A device with too little memory, at eight sizes: never a traceback, never a lost clip, never other numbers."""

import gc
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ravfeat.extract.resume import MAX_DIFFERENCE
from tests.device.table import difference, features_of

N_CLIPS = 16

Limit = Callable[[float], AbstractContextManager[None]]


@pytest.fixture
def limit(pretended: Any) -> Limit:
    """Allow the first device so many bytes more than it holds now, in a ``with`` block."""

    @contextmanager
    def limited(n_bytes: float) -> Iterator[None]:
        gc.collect()
        now, _, before, _ = pretended.memory(0)
        pretended.set_limit(0, now + int(n_bytes))
        try:
            yield
        finally:
            pretended.set_limit(0, before)

    return limited


@pytest.fixture
def peak_of(pretended: Any) -> Callable[[Callable[[], Any]], int]:
    """Bytes that some work takes on the first device beside what is there already."""

    def measure(work: Callable[[], Any]) -> int:
        gc.collect()
        before = pretended.memory(0)[0]
        pretended.reset_peak(0)
        work()
        return int(pretended.memory(0)[1] - before)

    return measure


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    """What was measured without a limit, once for all limits."""
    return {}


# Between nothing and one clip, and between one clip and the whole batch.
@pytest.mark.parametrize("part", [-0.999, -0.8, -0.3, -0.01, 0.05, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("family", ["wavlm", "vit"])
def test_extract_stores_or_names_every_clip_and_a_later_run_recovers_the_rest(
    family, part, extract, limit, peak_of, measured, tmp_path
) -> None:
    if family not in measured:
        smallest = {"batch_clips": 1, "batch_pictures": 1}
        alone = peak_of(lambda: extract(tmp_path / "alone", family, **smallest))
        batch = peak_of(lambda: extract(tmp_path / "whole", family))
        measured[family] = alone, batch, features_of(tmp_path / "whole")
    alone, batch, expected = measured[family]
    with limit(alone * (1 + part) if part < 0 else alone + part * (batch - alone)):
        done = extract(tmp_path / "short", family, code=None)
    assert "Traceback" not in done.stderr
    assert stored(tmp_path / "short") + named(done.stderr) == (0 if done.returncode == 1 else N_CLIPS)
    if part >= 0.05:
        assert done.returncode == 0
    extract(tmp_path / "short", family)
    for name, clips in features_of(tmp_path / "short").items():
        assert clips.keys() == expected[name].keys()
        assert all(difference(block, expected[name][clip]) <= MAX_DIFFERENCE for clip, block in clips.items())


def stored(folder: Path) -> int:
    return sum(len(clips) for clips in features_of(folder).values()) if folder.is_dir() else 0


def named(stderr: str) -> int:
    """How many clips are listed as failed."""
    return len(re.findall(r"^  0[123]-[-\d]+: .*(out of memory|memory).*$", stderr, re.MULTILINE | re.IGNORECASE))
