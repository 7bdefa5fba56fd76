"""A cache from Python: a mapping, a table, arrays."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pytest

import ravfeat
from ravfeat.errors import CacheError, MissingClipError, UsageError


@pytest.fixture(scope="module")
def cache(whole_cache):
    return ravfeat.open_cache(whole_cache)


def test_a_cache_is_a_mapping_of_clip_ids_to_features(cache) -> None:
    assert isinstance(cache, Mapping)
    ids = list(cache)
    assert ids == list(cache.keys()) == list(cache.clip_ids)
    assert len(cache) == len(ids)
    assert ids[0] in cache
    assert "nobody" not in cache
    assert 3 not in cache
    clip_id, frames = next(iter(cache.items()))
    assert clip_id == ids[0]
    np.testing.assert_array_equal(frames, cache[ids[0]])
    assert cache.get("nobody") is None
    with pytest.raises(MissingClipError, match=r"^clip 'nobody' is not stored in") as missing:
        cache["nobody"]
    assert isinstance(missing.value, KeyError)
    assert isinstance(missing.value, CacheError)


def test_caches_are_compared_and_hashed_without_being_read(cache, whole_cache) -> None:
    assert cache == cache
    assert cache != ravfeat.open_cache(whole_cache)
    assert {cache: 1}[cache] == 1


def test_one_clip_id_and_one_layer_are_lists_of_one(cache) -> None:
    clip_id, layer = cache.clip_ids[3], cache.layers[-1]
    (frames,) = cache.read(clip_id, layers=layer)
    np.testing.assert_array_equal(frames, cache.read([clip_id], layers=[layer])[0])
    assert [name for name, _ in cache.iter(clip_id)] == [clip_id]
    assert list(cache.records(clip_id)) == [clip_id]
    assert cache.shards_of(clip_id) == cache.shards_of([clip_id])
    np.testing.assert_array_equal(cache.read(clip_id, layers=np.int64(layer))[0], frames)
    with pytest.raises(CacheError, match="layers='1-2' is a text: expected numbers"):
        cache.read(clip_id, layers="1-2")


def test_the_table_says_who_and_what(cache) -> None:
    table = cache.table()
    assert isinstance(table, pa.Table)
    assert table["clip_id"].to_pylist() == list(cache)
    row = table.slice(0, 1).to_pylist()[0]
    record = cache.records()[row["clip_id"]]
    assert (row["label"], row["performance"]) == (record.label, record.performance_id)
    assert row["intensity"] in ("normal", "strong")
    assert len(table.to_pandas()) == len(cache)


def test_a_cache_stands_for_its_folder(cache, tmp_path) -> None:
    with pytest.raises(UsageError, match="forest"):
        ravfeat.fit_heads(cache, heads="forest", protocol="group2", out=tmp_path / "run")


@pytest.mark.parametrize(("path", "error"), [(3, UsageError), ("", UsageError), ("nowhere", CacheError)])
def test_what_is_no_cache_is_refused(path, error, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=r"path: .* is not a path or an address|nowhere does not exist"):
        ravfeat.open_cache(path)
