"""Caches written by earlier versions stay readable; ``tests/format`` holds one of each."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ravfeat.cache import open_cache, rebuild_index, verify_cache
from ravfeat.cache.format import FORMAT_VERSION

FORMATS = Path(__file__).parents[1] / "format"


@pytest.fixture(params=range(1, FORMAT_VERSION + 1))
def version(request: pytest.FixtureRequest) -> Path:
    return FORMATS / f"v{request.param}"


@pytest.fixture
def expected(version: Path) -> dict[str, Any]:
    return dict(json.loads((version / "expected.json").read_text()))


def test_an_old_cache_is_whole_but_for_its_failed_clip(version: Path, expected: dict[str, Any]) -> None:
    assert {problem.where for problem in verify_cache(version / "cache")} == set(expected["failed"])


def test_an_old_cache_says_what_it_said(version: Path, expected: dict[str, Any]) -> None:
    cache = open_cache(version / "cache")
    assert (cache.fingerprint, cache.dim) == (expected["fingerprint"], expected["dim"])
    assert (cache.about, cache.identity) == (expected["about"], expected["identity"])
    assert (list(cache.layers), list(cache.classes)) == (expected["layers"], expected["classes"])
    assert cache.failed == expected["failed"]


def test_an_old_shard_is_mapped_though_its_features_begin_anywhere(version: Path) -> None:
    cache = open_cache(version / "cache")
    for number in cache.shards:
        features = cache.map_shard(number).features
        assert features.flags.aligned
        np.testing.assert_array_equal(features, cache.read_shard(number).features)


def test_every_old_clip_reads_as_it_did(version: Path, expected: dict[str, Any]) -> None:
    cache = open_cache(version / "cache")
    records = cache.records()
    assert set(cache.clip_ids) == set(expected["clips"])
    for clip_id, clip in expected["clips"].items():
        frames = cache[clip_id]
        assert frames.shape == (clip["n_frames"], len(cache.layers), cache.dim)
        assert frames[0, 0, :4].tolist() == clip.pop("first_values")
        assert frames.astype(np.float64).mean() == pytest.approx(clip.pop("mean"), abs=1e-8)
        assert cache.times(clip_id)[0] == clip.pop("first_time_s")
        clip["layers_sha256"] = tuple(clip.pop("layers_sha256", ()))  # from version 2 on
        assert {name: getattr(records[clip_id], name) for name in clip} == clip


def test_the_index_of_an_old_cache_can_be_made_anew(version: Path, expected: dict[str, Any], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(version / "cache", tmp_path / "cache"))
    (folder / "index.parquet").unlink()
    rebuild_index(folder)
    assert open_cache(folder).clip_ids == tuple(sorted(expected["clips"]))
