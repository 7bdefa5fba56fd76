"""Shards that HDF5 may choke on are opened in a process of their own."""

import sys
from pathlib import Path
from typing import Any

import pytest

from ravfeat.cache import child_check
from ravfeat.cache.child_check import ChildProcesses, headers_in_child, make_sure_it_opens
from ravfeat.cache.digests import check_shard
from ravfeat.cache.serialise import serialise_shard
from ravfeat.cache.shard import read_header
from ravfeat.errors import ShardError

INIT, EXIT = ChildProcesses.__init__, ChildProcesses.__exit__


@pytest.fixture(autouse=True)
def children_end_with_their_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """As outside of the tests, where `kept_children` keeps them."""
    monkeypatch.setattr(ChildProcesses, "__init__", INIT)
    monkeypatch.setattr(ChildProcesses, "__exit__", EXIT)


def test_the_answer_is_that_of_a_check_in_this_process(shard: Path) -> None:
    with ChildProcesses() as children:
        assert children.check(shard) == check_shard(shard, read_header(shard))
    headers_in_child([shard, shard])


def test_damage_is_reported_as_in_this_process(shard: Path) -> None:
    shard.write_bytes(shard.read_bytes()[:-400])
    with pytest.raises(ShardError) as here:
        read_header(shard)
    with pytest.raises(ShardError) as there, ChildProcesses() as children:
        children.check(shard)
    assert str(there.value) == str(here.value)


@pytest.mark.parametrize("harm", ["import time; time.sleep(100)", "import os; os.abort()", "bytearray(10 << 30)"])
def test_what_does_not_end_or_crashes_costs_the_child_only(
    content: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    paths = []
    for name in ("a.h5", "b.h5", "c.h5"):
        (tmp_path / name).write_bytes(serialise_shard(content).data)
        paths.append(tmp_path / name)
    harmful = tmp_path / "sitecustomize.py"  # runs in every child before it reads
    harmful.write_text(
        "import sys\n"
        "if 'ravfeat.cache.child_check' in sys.orig_argv:\n"
        "    import ravfeat.cache.shard as shard\n"
        "    read = shard.read_header\n"
        "    def reading(path):\n"
        f"        if path.name == 'b.h5': {harm}\n"
        "        return read(path)\n"
        "    shard.read_header = reading\n"
    )
    monkeypatch.setattr(child_check, "_HEADER_S", 3)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(ShardError, match=r"b\.h5 (is damaged: HDF5|takes more than)"):
        headers_in_child(paths)
    with ChildProcesses() as children:
        for path in (paths[0], paths[2]):
            children.read_header(path)
        with pytest.raises(ShardError, match="cannot be opened"):
            children.read_header(harmful)
        children.read_header(paths[2])  # an error costs the child nothing


def test_a_folder_is_no_shard(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="not a regular file"):
        headers_in_child([tmp_path])


def test_a_file_is_tried_once_and_another_in_its_place_anew(shard: Path) -> None:
    make_sure_it_opens(shard)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(child_check, "headers_in_child", lambda paths: pytest.fail(f"{paths} were tried again"))
        make_sure_it_opens(shard)
    shard.write_bytes(shard.read_bytes()[:-400])
    with pytest.raises(ShardError, match="cannot be opened as HDF5"):
        make_sure_it_opens(shard)
    shard.unlink()
    with pytest.raises(ShardError, match="is missing; run the same 'ravfeat extract' again"):
        make_sure_it_opens(shard)
