"""Who may write what; the other side is always another process, as in life."""

import errno
import subprocess
import sys
import time
from pathlib import Path

import pytest

import ravfeat
from ravfeat.cache import locks
from ravfeat.cache.locks import WorkLock, check_locks
from ravfeat.errors import CacheError

HOLD = """
import sys, time
from pathlib import Path
from ravfeat.cache.locks import WorkLock
with WorkLock(Path(sys.argv[1])) as lock:
    if sys.argv[2] == "tables":
        with lock.tables():
            print("held", flush=True)
            time.sleep(float(sys.argv[3]))
            Path(sys.argv[1], "done").touch()
    else:
        lock.claim(map(int, sys.argv[2].split(",")))
        print("held", flush=True)
        time.sleep(float(sys.argv[3]))
"""


def hold(folder: Path, what: str, seconds: float) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), what, str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_shards_of_another_process_are_refused_and_others_are_free(tmp_path: Path) -> None:
    with hold(tmp_path, "0,2", 60) as holder:
        with WorkLock(tmp_path) as lock:
            lock.claim([1, 3])
            with pytest.raises(CacheError, match=r"another process is writing shard-00002\.h5 .*--shard-index"):
                lock.claim([2])
        holder.kill()
    with WorkLock(tmp_path) as lock:
        lock.claim([0, 2])  # the system has freed what the killed one held


def test_tables_are_waited_for(tmp_path: Path) -> None:
    with hold(tmp_path, "tables", 0.3), WorkLock(tmp_path) as lock:
        started = time.monotonic()
        with lock.tables():
            assert (tmp_path / "done").exists()
        assert time.monotonic() - started < 10


def test_holding_tables_does_not_free_shards(tmp_path: Path) -> None:
    with WorkLock(tmp_path) as lock:
        lock.claim([5])
        with lock.tables():
            pass
        code = (
            "import sys; from pathlib import Path; from ravfeat.cache.locks import WorkLock\n"
            "WorkLock(Path(sys.argv[1])).claim([5])"
        )
        done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
        assert "CacheError: another process is writing shard-00005.h5" in done.stderr


def test_a_file_system_without_locks_is_named_before_anything_is_written(tmp_path: Path, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    check_locks(tmp_path)
    monkeypatch.setattr(locks.fcntl, "lockf", refuse)
    with pytest.raises(CacheError, match=r"files in .* cannot be locked \(No locks available\).*choose another folder"):
        WorkLock(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_system_without_locks_is_named(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(locks, "fcntl", None)
    with pytest.raises(CacheError, match=r"under POSIX locks, which this system lacks; on Windows use WSL"):
        WorkLock(tmp_path)


def test_a_cache_is_read_on_a_system_without_locks_and_reads_at_a_position(whole_cache: Path) -> None:
    code = """
import os, sys
sys.modules["fcntl"] = None
for name in ("preadv", "posix_fadvise", "posix_fallocate", "sched_getaffinity", "sysconf"):
    delattr(os, name)
import ravfeat
from ravfeat.cli import group
cache = ravfeat.open_cache(sys.argv[1])
print(cache[cache.clip_ids[0]].sum(), cache.read(cache.clip_ids[:1], layers=[1])[0].sum())
group.main(["cache", "verify", sys.argv[1]], standalone_mode=False)
"""
    done = subprocess.run([sys.executable, "-c", code, str(whole_cache)], capture_output=True, text=True, check=True)
    cache = ravfeat.open_cache(whole_cache)
    expected = [cache[cache.clip_ids[0]].sum(), cache.read(cache.clip_ids[:1], layers=[1])[0].sum()]
    assert done.stdout.split()[:2] == list(map(str, expected))
    assert "whole" in done.stdout
