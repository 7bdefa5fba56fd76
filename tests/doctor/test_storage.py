"""Where caches would go."""

import errno
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from ravfeat.cache import locks
from ravfeat.doctor import storage
from ravfeat.doctor.storage import check_caches, check_storage


def test_a_folder_that_is_not_there_yet_is_looked_for_above(tmp_path) -> None:
    (finding,) = check_storage(tmp_path / "new" / "cache")
    assert finding.state == "ok"
    assert finding.text.startswith(f"{tmp_path}: ")
    assert finding.text.endswith("GB free; files can be locked")
    assert finding.values["exists"] is False
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_its_place_breaks(tmp_path) -> None:
    (tmp_path / "cache").touch()
    for out in (tmp_path / "cache", tmp_path / "cache" / "below"):
        (finding,) = check_storage(out)
        assert finding.breaks
        assert finding.text == f"{tmp_path / 'cache'} is a file, where the folder of caches would be"


def test_a_folder_without_permission_breaks(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    (finding,) = check_storage(tmp_path)
    assert finding.breaks
    assert finding.text == f"nothing can be written in {tmp_path}"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_takes_no_file_breaks(number, tmp_path, monkeypatch) -> None:
    def full(**_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(locks.tempfile, "TemporaryFile", full)
    (finding,) = check_storage(tmp_path)
    assert finding.breaks
    assert f"no file can be made there ({os.strerror(number)})" in finding.text


def test_a_file_system_without_locks_breaks(tmp_path, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "lockf", refuse)
    (finding,) = check_storage(tmp_path)
    assert finding.breaks
    assert "cannot be locked (No locks available)" in finding.text


def test_little_room_is_a_problem(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=10**12, free=10**9))
    (finding,) = check_storage(tmp_path)
    assert (finding.state, finding.breaks) == ("problem", False)
    assert "1.0 of 1000.0 GB free, which is little" in finding.text
    assert storage._LITTLE > 10**9


def test_caches_are_counted(whole_cache, tmp_path) -> None:
    (finding,) = check_caches(Path(whole_cache).parent)
    assert finding.text.startswith("1 below")
    (finding,) = check_caches(tmp_path)
    assert (finding.state, finding.remedy) == ("missing", "ravfeat extract")
