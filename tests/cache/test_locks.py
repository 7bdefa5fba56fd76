"""Who may write what; the other side is always another process, as in life."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from ravfeat.cache.locks import WorkLock
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
