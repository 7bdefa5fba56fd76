"""Which shards the index is believed about, and how it is brought up to date."""

import os
import time
from pathlib import Path
from typing import Any

import h5py
import pyarrow.parquet as pq
import pytest

from ravfeat.cache import index, open_cache, verify_cache
from ravfeat.cache import known_shards as module
from ravfeat.cache.format import INDEX_FILE, SUMS_FILE, shard_file
from ravfeat.cache.index import read_index, read_sums, sums_text, write_index
from ravfeat.cache.known_shards import known_shards, refresh_index
from ravfeat.errors import ShardError
from ravfeat.files import sha256_of


def test_a_known_shard_is_believed_and_a_changed_one_read(cache_copy: Path) -> None:
    with h5py.File(cache_copy / shard_file(2), "r+") as file:
        file["features"][0, 0, 0] += 1  # neither size nor metadata change: a known shard is not read again
    refresh_index(cache_copy)
    with h5py.File(cache_copy / shard_file(2), "r+") as file:
        file.attrs["metadata_sha256"] = "0" * 64
    with pytest.raises(ShardError, match="do not match their digest"):
        refresh_index(cache_copy)


def test_a_known_shard_that_changed_its_length_is_read_again(cache_copy: Path) -> None:
    with (cache_copy / shard_file(2)).open("ab") as file:
        file.write(b"x")  # behind everything HDF5 knows of
    known = refresh_index(cache_copy)
    assert known[2].n_bytes == (cache_copy / shard_file(2)).stat().st_size
    assert verify_cache(cache_copy) == []


def test_the_index_knows_shards_that_are_as_old_as_it_and_of_its_size(cache_copy: Path) -> None:
    assert known_shards(cache_copy).known == set(range(6))
    assert known_shards(cache_copy).unknown == {}
    os.utime(cache_copy / shard_file(1))  # written after the index, for all one can tell
    (cache_copy / shard_file(2)).unlink()
    with (cache_copy / shard_file(3)).open("ab") as file:
        file.write(b"x")
    os.utime(cache_copy / shard_file(3), ns=(0, 0))
    shards = known_shards(cache_copy)
    assert shards.known == {0, 4, 5}
    assert list(shards.unknown) == [1, 3]
    (cache_copy / INDEX_FILE).unlink()
    assert known_shards(cache_copy).known == set()


def test_a_shard_that_is_replaced_while_the_index_is_made_is_read_the_next_time(
    cache_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replaced(folder: Path, shards: Any, **options: Any) -> None:
        os.utime(folder / shard_file(4))
        write_index(folder, shards, **options)

    monkeypatch.setattr(module, "write_index", replaced)
    refresh_index(cache_copy)
    assert list(known_shards(cache_copy).unknown) == [4]


def test_rows_of_unchanged_shards_are_neither_read_nor_made_again(
    cache_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (cache_copy / INDEX_FILE).read_bytes()
    monkeypatch.setattr(index, "head_sha256", lambda *_: pytest.fail("a known shard was read"))
    monkeypatch.setattr(
        "ravfeat.cache.known_shards.index_shards", lambda paths: {path: pytest.fail("read in full") for path in paths}
    )
    refresh_index(cache_copy)
    assert (cache_copy / INDEX_FILE).read_bytes() == before


def test_a_file_system_that_keeps_no_times_costs_nothing(cache_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "utime", refused)
    refresh_index(cache_copy)
    assert open_cache(cache_copy).shards == tuple(range(6))


def test_the_time_of_the_index_is_never_in_the_future(cache_copy: Path) -> None:
    later = time.time_ns() + 10**15
    os.utime(cache_copy / shard_file(2), ns=(later, later))
    refresh_index(cache_copy)
    os.utime(cache_copy / shard_file(4))  # replaced after that
    assert list(known_shards(cache_copy).unknown) == [2, 4]


def test_a_shard_that_is_deleted_meanwhile_is_not_known(cache_copy: Path) -> None:
    (cache_copy / shard_file(3)).unlink()
    (cache_copy / shard_file(3)).symlink_to("nowhere")
    assert list(known_shards(cache_copy).unknown) == [3]


def make_older(folder: Path, lacking: list[str]) -> None:
    """Write an index as versions did that had no such columns."""
    path = folder / INDEX_FILE
    time_ns = path.stat().st_mtime_ns
    pq.write_table(pq.read_table(path).drop_columns(lacking), path)
    (folder / SUMS_FILE).write_text(sums_text(read_sums(folder) | {INDEX_FILE: sha256_of(path)}))
    os.utime(path, ns=(time_ns, time_ns))


HEAD = ["shard_head_sha256", "shard_features_offset", "shard_features_bytes"]


@pytest.mark.parametrize(("lacking", "n_full"), [([], 0), (HEAD, 6)], ids=["provenance", "heads"])
def test_an_older_index_gains_what_it_lacks(
    cache_copy: Path, monkeypatch: pytest.MonkeyPatch, lacking: list[str], n_full: int
) -> None:
    before, full = (cache_copy / INDEX_FILE).read_bytes(), list[Path]()
    make_older(cache_copy, [*lacking, "shard_provenance_sha256"])
    assert read_index(cache_copy)[0].provenance_sha256 is None
    real = module.index_shards
    monkeypatch.setattr(module, "index_shards", lambda paths: full.extend(paths) or real(paths))
    refresh_index(cache_copy)
    assert (cache_copy / INDEX_FILE).read_bytes() == before
    assert len(full) == n_full
    assert verify_cache(cache_copy) == []


def test_a_damaged_head_is_found_when_an_older_index_is_completed(cache_copy: Path) -> None:
    make_older(cache_copy, ["shard_provenance_sha256"])
    path = cache_copy / shard_file(1)
    time_ns = path.stat().st_mtime_ns
    with h5py.File(path) as file:
        digest = str(file.attrs["metadata_sha256"]).encode()
    path.write_bytes(path.read_bytes().replace(digest, b"0" * 64))
    os.utime(path, ns=(time_ns, time_ns))  # as a decayed disk: known, for all one can tell
    assert 1 in known_shards(cache_copy).known
    with pytest.raises(ShardError, match="do not match their digest"):
        refresh_index(cache_copy)
