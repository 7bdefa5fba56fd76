"""The generated cache is a cache, and the benchmark of reading runs on a small one."""

import numpy as np

from benchmarks import reading
from benchmarks.generated import LONGEST, MEAN, SHORTEST, write_cache
from ravfeat.cache import open_cache, verify_cache


def test_a_generated_cache_is_whole_and_has_ravdess_actors_and_labels(tmp_path) -> None:
    cache = open_cache(write_cache(tmp_path, n_clips=96, layers=3, dim=8))
    assert verify_cache(cache.path) == []
    records = cache.records().values()
    assert len({record.actor for record in records}) == 24
    assert len({record.label for record in records}) == 4
    lengths = [record.n_frames for record in records]
    assert SHORTEST <= min(lengths) <= max(lengths) <= LONGEST
    assert abs(np.mean(lengths) - MEAN) < 8
    assert cache.about["synthetic"]


def test_the_same_cache_comes_out_every_time_and_a_stride_makes_it_smaller(tmp_path) -> None:
    one, two = (open_cache(write_cache(tmp_path / name, n_clips=24, layers=2, dim=4)) for name in "ab")
    assert one.content_sha256() == two.content_sha256()
    fewer = open_cache(write_cache(tmp_path / "c", n_clips=24, layers=2, dim=4, stride=4))
    assert fewer.frame_stride == 4
    for clip_id in one.clip_ids:
        assert fewer.n_frames(clip_id) == -(-one.n_frames(clip_id) // 4)


def test_every_line_of_the_benchmark_is_a_ratio(monkeypatch) -> None:
    monkeypatch.setattr(reading, "ROUNDS", 1)
    lines = list(reading.measure(n_clips=24, dim=4))
    assert len(lines) == 5
    assert "0.12" in lines[1]
