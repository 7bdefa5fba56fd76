import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from ravfeat.demo.uploads import EXAMPLES, is_upload, n_bytes, server_folder, sweep


def test_only_files_below_the_folder_are_uploads(tmp_path) -> None:
    folder = tmp_path / "uploads"
    (folder / "a").mkdir(parents=True)
    inside, outside = folder / "a" / "a.wav", tmp_path / "b.wav"
    for path in (inside, outside):
        path.write_bytes(b"sound")
    assert 5 <= n_bytes(folder) < 10_000  # with the folder
    (folder / "link.wav").symlink_to(outside)
    os.mkfifo(folder / "pipe.wav")
    assert is_upload(str(inside), folder)
    names = ("link.wav", "pipe.wav", "a/../../b.wav", "gone.wav")
    hostile = (f"file:{inside}", "http://127.0.0.1/x.wav", "a\0b", "", "x" * 10_000)
    for path in (outside, folder, *map(folder.joinpath, names), *hostile):
        assert not is_upload(str(path), folder)


def test_a_sweep_takes_what_is_old_whole_or_broken_off(tmp_path) -> None:
    for name in ("old/a.wav", "tmp1", "new/b.wav", f"{EXAMPLES}/happy.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"sound")
    hour_ago = time.time() - 3600
    for path in [*tmp_path.rglob("*")]:
        if path.parent.name != "new" and path.name != "new":
            os.utime(path, (hour_ago, hour_ago))
    sweep(tmp_path, 3000)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"new/b.wav", f"{EXAMPLES}/happy.wav"}


def test_what_a_killed_server_left_is_taken_away_and_nothing_else(tmp_path, monkeypatch) -> None:
    pytest.importorskip("fcntl")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = (
        "import os, signal\n"
        "from ravfeat.demo.uploads import server_folder\n"
        "with server_folder() as folder:\n"
        "    (folder / 'a.wav').write_bytes(b'sound')\n"
        "    print(folder, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    left = Path(done.stdout.strip())
    assert (left / "a.wav").is_file(), done.stderr
    other = tmp_path / "ravfeat-demo-begins"  # holds no lock yet
    other.mkdir()
    with server_folder() as first, server_folder() as second:
        assert not left.exists()
        assert other.is_dir()
        assert first.is_dir()
        assert second.is_dir()
        if os.getuid() == 0:
            other.joinpath("lock").touch()
            os.chown(other, 65534, -1)
            with server_folder():
                assert other.is_dir()
    assert not first.exists()
    assert not second.exists()
