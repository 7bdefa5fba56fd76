"""Blocks of remote caches: kept while they are read, deleted after a pull or when nobody read them for long."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import ravfeat
from ravfeat.errors import RemoteError
from ravfeat.remote.blocks import UNUSED_DAYS, HeldBlocks, delete_unused
from ravfeat.remote.pull import pull_whole
from ravfeat.remote.reading import open_mirror
from ravfeat.remote.store import open_store
from tests.remote.conftest import WebServer

NAME = "0123456789abcdef0123"


def made(folder: Path, days: float) -> Path:
    HeldBlocks(folder)
    then = time.time() - days * 86400
    os.utime(folder / ".blocks" / "used.lock", (then, then))
    return folder


def test_blocks_that_nobody_opened_for_long_are_deleted_and_nothing_else(tmp_path: Path) -> None:
    old, young = made(tmp_path / NAME, UNUSED_DAYS + 1), made(tmp_path / NAME[::-1], UNUSED_DAYS - 1)
    (old / "shard-00000.h5").touch()
    mine = made(tmp_path / "mine", UNUSED_DAYS + 1)
    (tmp_path / ("4" * 20)).mkdir()
    link = tmp_path / ("f" * 20)
    link.symlink_to(mine)
    delete_unused(tmp_path)
    assert not old.exists()
    assert all(path.exists() for path in (young, mine, link, tmp_path / ("4" * 20)))
    delete_unused(tmp_path / "nowhere")


def test_blocks_that_somebody_holds_stay(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from ravfeat.remote.blocks import HeldBlocks\n"
        "held = HeldBlocks(pathlib.Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    folder = tmp_path / NAME
    with subprocess.Popen([sys.executable, "-c", code, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline()
        ours = HeldBlocks(folder)
        made(folder, UNUSED_DAYS + 1)
        delete_unused(tmp_path)
        ours.delete()
        assert folder.exists()
        other.communicate()
    ours.delete()
    assert not folder.exists()
    HeldBlocks(folder)
    assert folder.exists()


def test_opening_a_cache_deletes_what_is_old(served: WebServer, tmp_path: Path) -> None:
    old = made(tmp_path / "home" / "remote" / NAME, UNUSED_DAYS + 1)
    assert ravfeat.open_cache(served.url).path.exists()
    assert not old.exists()


@pytest.mark.parametrize("at_once", [False, True])
def test_a_pull_leaves_the_blocks_that_others_read(served: WebServer, tmp_path: Path, *, at_once: bool) -> None:
    reading = ravfeat.open_cache(served.url) if at_once else None
    pull_whole(*open_mirror(open_store(served.url)), tmp_path / "cache")
    if reading is None:
        assert not any((tmp_path / "home" / "remote").iterdir())
    else:
        assert len(reading.read(reading.clip_ids, verify=True)) == len(reading)


def test_blocks_that_were_deleted_and_made_anew_are_not_taken_for_the_old_ones(served: WebServer) -> None:
    cache = ravfeat.open_cache(served.url)
    cache.read(["clip-000000", "clip-000006"])
    shutil.rmtree(cache.path)
    ravfeat.open_cache(served.url)
    with pytest.raises(RemoteError, match="was deleted while the cache was open; open it again"):
        cache.read(["clip-000006"])


def test_a_link_among_the_blocks_is_not_written_through(served: WebServer, tmp_path: Path) -> None:
    cache = ravfeat.open_cache(served.url)
    (tmp_path / "mine").write_text("mine")
    (cache.path / "shard-00001.h5").symlink_to(tmp_path / "mine")
    cache.read(["clip-000006"], verify=True)
    assert (tmp_path / "mine").read_text() == "mine"
