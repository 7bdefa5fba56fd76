"""Disk space: what is expected against what is written, and a disk that is too small is noticed before any work."""

import math
import re
import shutil
import subprocess
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ravfeat.cache.format import StoreRecipe
from ravfeat.cache.index import present_shards
from ravfeat.errors import CacheError
from ravfeat.extract import run_extraction, size
from ravfeat.extract.open_caches import check_space, planned_folder_of
from ravfeat.extract.size import POOLED_ABOVE, MissingBytes, advise_pooled, check_disk, free_bytes, missing_bytes

MB = 10**6


def written(folder: Path) -> int:
    return sum(path.stat().st_size for path in present_shards(folder).values())


@pytest.mark.parametrize(
    "recipe", [StoreRecipe(), StoreRecipe(dtype="float32", layers=(0, 2)), StoreRecipe(frame_stride=4)], ids=str
)
def test_what_is_expected_is_what_is_written_and_a_little_more(recipe, corpus, tmp_path) -> None:
    request = corpus.extraction(recipe=recipe)
    folder = planned_folder_of(request, tmp_path)
    expected = missing_bytes(request, folder, folder.planned.numbers)
    assert not folder.path.exists()
    result = run_extraction(request, tmp_path)
    assert result.path == folder.path
    assert written(result.path) <= expected.known <= 1.25 * written(result.path) + 20_000
    assert missing_bytes(request, folder, folder.planned.numbers) == MissingBytes()


def test_pooled_statistics_are_advised_from_a_terabyte_of_frames_on(corpus) -> None:
    request, large = corpus.extraction(), MissingBytes(known=POOLED_ABOVE + 1)
    advice = advise_pooled(request, large, 1_000_000)
    assert re.fullmatch(
        r"the frames of 'logmel' take 1 TB for 1000000 clips; with --store pooled their statistics would take"
        r" [\d.]+ GB, which is all that the heads logreg and kernel read",
        advice,
    )
    assert not advise_pooled(request, MissingBytes(known=POOLED_ABOVE), 1_000_000)
    assert not advise_pooled(replace(request, recipe=StoreRecipe(store="pooled")), large, 1_000_000)


def test_the_start_of_a_large_extraction_advises_pooled_statistics(corpus, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(size, "POOLED_ABOVE", 1000)
    with pytest.warns(UserWarning, match="with --store pooled their statistics would take"):
        check_space([corpus.extraction()], tmp_path)


def test_only_shards_that_are_missing_count(corpus, tmp_path, small_shards) -> None:
    request = corpus.extraction()
    result = run_extraction(request, tmp_path)
    numbers = list(present_shards(result.path))
    sizes = []
    for number in (5, 3):
        (result.path / f"shard-0000{number}.h5").unlink()
        sizes.append(missing_bytes(request, planned_folder_of(request, tmp_path), numbers))
    assert 0 < sizes[0].known < sizes[1].known < MB
    assert missing_bytes(request, planned_folder_of(request, tmp_path), [0, 1]) == MissingBytes()


def test_a_clip_of_unknown_length_is_counted_as_half_a_minute(corpus, tmp_path) -> None:
    manifest = corpus.manifest
    unknown = manifest.with_clips([replace(manifest.clips[0], duration_s=math.nan), *manifest.clips[1:]])
    request = corpus.extraction(manifest=unknown)
    missing = missing_bytes(request, planned_folder_of(request, tmp_path), [0])
    assert missing.n_unknown == 1
    assert missing.assumed == 3001 * (3 * 64 * 2 + 8) + 1024 + 3 * 64


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Give every disk a size and free bytes."""

    def set_free(free: int, total: int = 10**12) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free, total=total))

    return set_free


def test_a_disk_with_room_for_the_shards_but_not_for_a_copy_is_too_small(disk, tmp_path) -> None:
    missing = MissingBytes(known=100 * MB, largest_shard=10 * MB)
    disk(110 * MB)
    check_disk(missing, tmp_path)
    disk(110 * MB - 1)
    message = r"the disk is too small: 110 MB are needed at \S+ and 110 MB are free there; make room, or choose another"
    with pytest.raises(CacheError, match=message):
        check_disk(missing, tmp_path)
    with pytest.raises(CacheError, match=r"free there; use --layers\. Nothing was written"):
        check_disk(missing, tmp_path, advice="use --layers")


def test_assumed_lengths_alone_do_not_refuse_a_disk(disk, tmp_path) -> None:
    missing = MissingBytes(known=10 * MB, assumed=100 * MB, largest_shard=10 * MB, n_unknown=7)
    disk(50 * MB)
    with pytest.warns(UserWarning, match=r"may be too small: 120 MB .*\(7 clips of unknown length are counted as 30 s"):
        check_disk(missing, tmp_path)
    disk(15 * MB)
    with pytest.raises(CacheError, match=r"too small: 120 MB are needed .*\(7 clips of unknown length"):
        check_disk(missing, tmp_path)


def test_nothing_missing_needs_no_disk(disk, tmp_path) -> None:
    disk(0)
    check_disk(MissingBytes(), tmp_path)


def test_a_disk_that_does_not_know_its_size_is_not_refused(tmp_path) -> None:
    missing = MissingBytes(known=10**18)
    if Path("/proc/self").exists():  # a real file system of size 0
        assert free_bytes(Path("/proc/nothing/here")) is None
        check_disk(missing, Path("/proc/nothing/here"))


@pytest.mark.parametrize("out", ["file", "file/cache/new"])
def test_a_file_in_the_way_is_named(out, here, clips, tmp_path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for options in ([], ["--dry-run"]):
        done = here("extract", "--data", clips, "--encoder", "logmel", "--out", tmp_path / out, *options)
        assert done.returncode == 1
        assert done.stderr == f"ravfeat: {tmp_path}/file is a file and can hold no caches; choose another --out\n"


def test_a_disk_that_cannot_be_asked_is_not_refused(tmp_path, monkeypatch) -> None:
    def fail(_: Path) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(shutil, "disk_usage", fail)
    check_disk(MissingBytes(known=10**18), tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file system of 256 kB, where this process may mount one; else a disk that says so."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder]
    mounted = shutil.which("mount") and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    if not mounted:
        usage = SimpleNamespace(free=256 * 1024, total=256 * 1024)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    yield folder
    if mounted:
        subprocess.run(["umount", folder], check=True)


def test_the_command_refuses_a_small_disk_in_a_sentence_and_leaves_nothing(here: Any, clips, small_disk) -> None:
    call = ("extract", "--data", clips, "--encoder", "logmel", "--out", small_disk / "cache")
    done = here(*call)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("ravfeat: the disk is too small: ")
    assert f" are needed at {small_disk}/cache and 262 kB are free there; make room, choose another --out, or" in line
    assert line.endswith("store less: --layers, --store pooled, --frame-stride. Nothing was written")
    assert not list(small_disk.iterdir())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert here(*call, "--store", "pooled").returncode == 0


def test_an_import_is_refused_too_with_what_it_can_do(corpus, tmp_path, disk) -> None:
    disk(1000)
    with pytest.raises(CacheError, match=r"are free there; make room, or choose another --out\. Nothing was written"):
        run_extraction(corpus.extraction(), tmp_path / "out")
    assert not (tmp_path / "out").exists()
