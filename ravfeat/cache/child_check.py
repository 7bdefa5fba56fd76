"""Open shards that no digest vouches for in a process of its own, with limits of time and memory.

A few damaged bytes can make HDF5 loop for ever, deaf to every signal but the last, or crash the process. A child reads
one shard after another; where one ends it, the next shard gets a new child.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from ravfeat.cache.digests import ShardCheck, check_shard
from ravfeat.cache.shard import read_header
from ravfeat.errors import ShardError

__all__ = ["ChildProcesses", "headers_in_child", "make_sure_it_opens"]

_Task = Literal["check", "header"]

_HEADER_S = 12
"""For what HDF5 interprets, at most a few megabytes. The system ends the child then, whatever it does."""

_START_S, _BYTES_PER_S = 60, 5_000_000  # for the features, which are plain bytes: far below any disk
_MAX_MEMORY = 4 << 30


class ChildProcesses:
    """Processes that read shards, started as they are needed; safe in many threads."""

    def __init__(self) -> None:
        self._idle: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in self._idle:
            child.kill()
            _end(child)

    def check(self, path: Path) -> ShardCheck:
        """Read a shard's metadata and check every digest.

        Raises
        ------
        ShardError
            Where the file cannot be read as a shard, or reading it takes too long, too much memory, or crashes.
        """
        answer = self._ask("check", path)
        return ShardCheck(answer["sha256"], tuple(answer["problems"]), tuple(answer["features"]))

    def read_header(self, path: Path) -> None:
        """Read a shard's metadata; where this returns, it does no harm in this process. Errors as `check`."""
        self._ask("header", path)

    def _ask(self, task: _Task, path: Path) -> dict[str, Any]:
        if not path.is_file():
            raise ShardError(f"{path} is missing, or not a regular file")
        try:
            child = self._idle.pop()
        except IndexError:
            child = _started()
        answer = _answer_of(child, task, path)
        if answer is None:
            code = _end(child)
            endless = code == -getattr(signal, "SIGALRM", 0)
            problem = "does not come to an end with it" if endless else f"crashes on it (exit code {code})"
            raise ShardError(f"{path} is damaged: HDF5 {problem}; delete it and make it again")
        self._idle.append(child)
        if "error" in answer:
            raise ShardError(answer["error"])
        return answer


def headers_in_child(paths: Sequence[Path]) -> None:
    """Read the metadata of shards in a child process; where this returns, they do no harm in this one.

    Raises
    ------
    ShardError
        As `ChildProcesses.check`, for the first such shard.
    """
    with ChildProcesses() as children:
        for path in paths:
            children.read_header(path)


def make_sure_it_opens(path: Path) -> None:
    """Read the metadata of a shard in a child process, once for a file of one size and time; errors as above."""
    try:
        status = path.stat()
    except OSError as error:
        raise ShardError(f"{path} is missing; run the same 'ravfeat extract' again to make it") from error
    _make_sure_it_opens(path, status.st_ino, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=1 << 12)
def _make_sure_it_opens(path: Path, inode: int, n_bytes: int, time_ns: int) -> None:
    headers_in_child([path])


def _started() -> subprocess.Popen[bytes]:
    # One thread: memory that libraries reserve for more would count towards the limit.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    # -P: no module is taken from the working folder, which may be the stranger's.
    command = [sys.executable, "-P", "-m", "ravfeat.cache.child_check"]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    )


def _answer_of(child: subprocess.Popen[bytes], task: _Task, path: Path) -> dict[str, Any] | None:
    """Let a child read one shard; None where it has not survived that."""
    if child.stdin is None or child.stdout is None:
        return None
    with suppress(BrokenPipeError):
        child.stdin.write(json.dumps([task, str(path.absolute()), _HEADER_S]).encode() + b"\n")
        child.stdin.flush()
    line = child.stdout.readline()
    return dict(json.loads(line)) if line.endswith(b"\n") else None


def _end(child: subprocess.Popen[bytes]) -> int:
    """Close the pipes of a child that has ended; return its exit code."""
    with suppress(BrokenPipeError):
        child.communicate()
    return child.wait()


def _main() -> None:
    with suppress(ImportError, ValueError, OSError):  # Windows has no such limits; macOS does not take this one
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY, _MAX_MEMORY))
    with open(sys.stdout.fileno(), "wb", closefd=False) as answers:
        for line in sys.stdin:
            task, name, header_s = json.loads(line)
            answers.write(json.dumps(_answer(task, Path(name), header_s)).encode() + b"\n")
            answers.flush()


def _answer(task: _Task, path: Path, header_s: int) -> dict[str, Any]:
    try:
        _set_alarm(header_s)
        header = read_header(path)
        _set_alarm(_START_S + path.stat().st_size // _BYTES_PER_S)
        return asdict(check_shard(path, header)) if task == "check" else {}
    except ShardError as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": f"{path} takes more than {_MAX_MEMORY >> 30} GiB of memory to check; do not use it"}
    finally:
        _set_alarm(0)


def _set_alarm(seconds: int) -> None:
    # Without a handler: the system ends the process, also within HDF5, and when the parent is gone.
    if hasattr(signal, "alarm"):
        signal.alarm(seconds)


if __name__ == "__main__":
    _main()
