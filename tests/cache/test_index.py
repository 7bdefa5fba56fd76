"""Index, sums, and both made anew from the shards."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import h5py
import pyarrow.parquet as pq
import pytest

from ravfeat.cache import open_cache, rebuild_index, verify_cache
from ravfeat.cache.format import IDENTITY_FILE, INDEX_FILE, LOCK_FILE, MANIFEST_FILE, SUMS_FILE, shard_file
from ravfeat.cache.index import (
    index_serialised,
    index_shards,
    read_index,
    read_sums,
    refresh_sums,
)
from ravfeat.cache.known_shards import refresh_index
from ravfeat.cache.serialise import serialise_shard
from ravfeat.errors import CacheError, ShardError


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != LOCK_FILE}


@pytest.mark.parametrize("lost", [[INDEX_FILE], [SUMS_FILE], [INDEX_FILE, SUMS_FILE, IDENTITY_FILE]])
def test_the_shards_alone_give_the_same_files(cache_copy: Path, lost: list[str]) -> None:
    before = contents(cache_copy)
    for name in lost:
        (cache_copy / name).unlink()
    rebuild_index(cache_copy)
    assert contents(cache_copy) == before


def test_shards_that_were_just_written_need_not_be_read(content: Any, shard: Path) -> None:
    assert index_serialised(content, serialise_shard(content)) == index_shards([shard])[0]


def test_the_index_has_a_row_per_clip_failed_ones_included(shard: Path) -> None:
    refresh_index(shard.parent)
    rows = pq.read_table(shard.parent / INDEX_FILE).to_pylist()
    assert [(row["clip_id"], row["status"], row["frame_start"], row["n_frames"]) for row in rows] == [
        ("a", "stored", 0, 2),
        ("b", "stored", 2, 7),
        ("f", "failed", None, None),
    ]
    assert rows[2]["reason"] == "f.wav is empty"
    assert {row["shard_file"] for row in rows} == {"shard-00000.h5"}


def test_sha256sum_checks_a_cache(cache_copy: Path) -> None:
    check = ["sha256sum", "--strict", "-c", SUMS_FILE]
    assert subprocess.run(check, cwd=cache_copy, capture_output=True, check=False).returncode == 0
    assert set(read_sums(cache_copy)) == set(contents(cache_copy)) - {SUMS_FILE}
    with (cache_copy / shard_file(2)).open("ab") as file:
        file.write(b"x")
    done = subprocess.run(check, cwd=cache_copy, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "shard-00002.h5: FAILED" in done.stdout


@pytest.mark.parametrize("where", ["features", "clips/actor", "frames/time_s"])
def test_a_damaged_shard_gets_no_index(cache_copy: Path, where: str) -> None:
    with h5py.File(cache_copy / shard_file(3), "r+") as file:
        dataset = file[where]
        first = (0,) * dataset.ndim
        dataset[first] = "synth:02" if where == "clips/actor" else dataset[first] + 1
    before = contents(cache_copy)
    with pytest.raises(ShardError, match=r"shard-00003\.h5 is damaged"):
        rebuild_index(cache_copy)
    assert contents(cache_copy) == before


def test_a_renamed_shard_gets_no_index(cache_copy: Path) -> None:
    (cache_copy / shard_file(3)).rename(cache_copy / shard_file(9))
    with pytest.raises(ShardError, match=r"shard-00009\.h5 is shard 3 under another name; rename it to shard-00003"):
        rebuild_index(cache_copy)


def test_a_foreign_shard_gets_no_index(cache_copy: Path, shard: Path) -> None:
    shutil.copy(shard, cache_copy / shard_file(0))
    with pytest.raises(ShardError, match=r"shard-00000\.h5 is foreign: it was written with identity"):
        rebuild_index(cache_copy)
    (cache_copy / IDENTITY_FILE).unlink()  # then most shards decide
    with pytest.raises(ShardError, match=r"shard-00000\.h5 is foreign"):
        rebuild_index(cache_copy)


def test_a_changed_manifest_gets_no_fresh_digest(cache_copy: Path) -> None:
    path = cache_copy / MANIFEST_FILE
    table = pq.read_table(path)
    actors = ["synth:02", *table["actor"].to_pylist()[1:]]
    at = table.column_names.index("actor")
    pq.write_table(table.set_column(at, "actor", [actors]), path)
    with pytest.raises(CacheError, match="its contents do not match their digest"):
        rebuild_index(cache_copy)


def test_an_empty_folder_has_no_index(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match="has no shard to make an index from"):
        rebuild_index(tmp_path)


def test_part_of_a_cache_is_a_cache(cache_copy: Path, tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.mkdir()
    for name in (shard_file(1), shard_file(4), MANIFEST_FILE):
        shutil.copy(cache_copy / name, part)
    rebuild_index(part)
    cache = open_cache(part)
    assert (len(cache), len(cache.missing)) == (8, 14)
    assert {problem.where for problem in verify_cache(part)} == set(cache.missing)


def test_a_newer_index_asks_for_a_newer_library(cache_copy: Path) -> None:
    path = cache_copy / INDEX_FILE
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({b"ravfeat.index": json.dumps({"version": 2})}), path)
    subprocess.run(f"sha256sum {INDEX_FILE} {MANIFEST_FILE} {IDENTITY_FILE} > {SUMS_FILE}", shell=True, cwd=cache_copy,
                   check=True)  # fmt: skip
    sums = cache_copy / SUMS_FILE
    sums.write_text("".join(sorted(sums.read_text().splitlines(keepends=True), key=lambda line: line[66:])))
    with pytest.raises(CacheError, match="has index version 2, this ravfeat reads 1"):
        read_index(cache_copy)


def test_refreshed_sums_leave_the_shards_alone(cache_copy: Path) -> None:
    before = read_sums(cache_copy)
    (cache_copy / IDENTITY_FILE).write_text("{}\n")
    refresh_sums(cache_copy)
    after = read_sums(cache_copy)
    assert {name for name in before if before[name] != after[name]} == {IDENTITY_FILE}
