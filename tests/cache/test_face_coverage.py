"""How often a face was found."""

from pathlib import Path

import numpy as np
import pytest

from ravfeat.cache import open_cache
from ravfeat.cache.face_coverage import FaceCoverage, face_coverage
from ravfeat.cache.reader import Cache


def test_where_no_detector_is_needed_every_picture_has_its_face(whole_face_cache: Path) -> None:
    cache = open_cache(whole_face_cache)
    assert face_coverage(cache) == [FaceCoverage(i, 1.0, len(cache[i])) for i in cache.clip_ids]


def test_the_worst_clip_comes_first(whole_face_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = open_cache(whole_face_cache)
    shares = dict(zip(cache.clip_ids, ([1, 1, 1, 1], [1, 0, 1, 0], [0, 1, 1, 1], [1, 1]), strict=True))
    columns = [(clip_id, {"found": np.array(share, np.float32)}) for clip_id, share in shares.items()]
    monkeypatch.setattr(Cache, "all_columns", lambda _: iter(columns))
    worst = [(cache.clip_ids.index(one.clip_id), one.share, one.n_frames) for one in face_coverage(cache)]
    assert worst == [(1, 0.5, 4), (2, 0.75, 4), (0, 1.0, 4), (3, 1.0, 2)]


def test_of_voices_nothing_is_known(whole_cache: Path) -> None:
    assert face_coverage(open_cache(whole_cache)) == []
