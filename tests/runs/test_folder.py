"""Folders that appear whole or not at all."""

import os
import shutil
import socket
from pathlib import Path

import pytest

from ravfeat.errors import UsageError
from ravfeat.runs.folder import check_out, whole_folder

OLD_RUN = Path(__file__).parents[1] / "format" / "run-v0"


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_an_empty_folder_may_be_used_and_a_new_one_is_made_with_its_parents(tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    check_out(tmp_path / "empty")
    check_out(tmp_path / "some" / "where" / "new")
    assert [path.name for path in (tmp_path / "some" / "where").iterdir()] == []


def test_a_place_that_cannot_be_written_is_found_out_before_training(tmp_path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        check_out(tmp_path / "file" / "run")


def test_what_a_killed_command_left_is_taken_away_and_what_it_was_replacing_put_back(tmp_path) -> None:
    dead = 2**22 + 1  # no process has this number
    place = tmp_path / "runs" / "a"
    host = socket.gethostname()
    shutil.copytree(OLD_RUN, place.with_name(f".a.{host}-{dead}.old"))
    place.with_name(f".a.{host}-{dead}.tmp").mkdir()
    kept = [f".b.{host}-{dead}.tmp", f".a.{host}-{os.getppid()}.tmp", f".a.elsewhere-{dead}.tmp"]
    for name in kept:
        place.with_name(name).mkdir()
    with pytest.raises(UsageError, match="already holds a run"):
        check_out(place)
    assert sorted(path.name for path in place.parent.iterdir()) == sorted([*kept, "a"])
    assert (place / "metrics.json").read_bytes() == (OLD_RUN / "metrics.json").read_bytes()


def test_a_run_that_another_command_wrote_in_the_meantime_is_not_replaced(tmp_path) -> None:
    place = tmp_path / "a"

    def too_late() -> None:
        with whole_folder(place) as folder:
            (folder / "recipe.json").write_text("mine")
            shutil.copytree(OLD_RUN, place)

    with pytest.raises(UsageError, match="already holds a run"):
        too_late()
    assert (place / "metrics.json").is_file()
    assert not leftovers(tmp_path)


def test_everything_is_on_the_disk_before_the_folder_has_its_name(tmp_path, monkeypatch) -> None:
    flushed: list[str] = []
    fsync = os.fsync

    def watched(handle: int) -> None:
        flushed.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", watched)
    with whole_folder(tmp_path / "a") as folder:
        (folder / "heads" / "x").mkdir(parents=True)
        for name in ("recipe.json", "heads/x/fold-0.safetensors"):
            (folder / name).write_text("whole", encoding="utf-8")
        names = ["", "/heads", "/heads/x", "/heads/x/fold-0.safetensors", "/recipe.json"]
        wanted = [f"{folder}{name}" for name in names]
        assert not flushed
    assert sorted(flushed[:-1]) == sorted(wanted)
    assert flushed[-1] == str(tmp_path)  # after the rename, where the name stands
