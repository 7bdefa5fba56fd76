"""Open shards that no digest vouches for in a process of its own, with limits of time and memory.

A few damaged bytes can make HDF5 loop for ever, deaf to every signal but the last, or crash the process.
"""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from ravfeat.cache.digests import ShardCheck, check_shard
from ravfeat.cache.shard import read_header
from ravfeat.errors import ShardError

__all__ = ["check_in_child", "headers_in_child"]

_Task = Literal["check", "header"]

_START_S = 20.0
_PER_SHARD_S = 0.5
_BYTES_PER_S = 20_000_000  # far below any disk
_MAX_MEMORY = 4 << 30


def check_in_child(path: Path) -> ShardCheck:
    """Read a shard's metadata and check every digest, in a child process.

    Raises
    ------
    ShardError
        Where the file cannot be read as a shard, or reading it takes too long, too much memory, or crashes.
    """
    if not path.is_file():
        raise ShardError(f"{path} is missing, or not a regular file")
    (answer,) = _answers("check", [path], _START_S + path.stat().st_size / _BYTES_PER_S)
    return ShardCheck(answer["sha256"], tuple(answer["problems"]), tuple(answer["features"]))


def headers_in_child(paths: Sequence[Path]) -> None:
    """Read the metadata of shards in a child process; where this returns, it does no harm in this one.

    Raises
    ------
    ShardError
        As `check_in_child`, for the first such shard.
    """
    if irregular := [path for path in paths if not path.is_file()]:
        raise ShardError(f"{irregular[0]} is not a regular file")
    if paths:
        _answers("header", paths, _START_S + _PER_SHARD_S * len(paths))


def _answers(task: _Task, paths: Sequence[Path], limit_s: float) -> list[dict[str, Any]]:
    # One thread: memory that libraries reserve for more would count towards the limit.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    names = json.dumps([str(path.absolute()) for path in paths])
    command = [sys.executable, "-m", "ravfeat.cache.child_check", task]
    try:
        child = subprocess.run(
            command, input=names.encode(), capture_output=True, timeout=limit_s, env=environment, check=False
        )
    except subprocess.TimeoutExpired as error:
        output, problem = error.stdout or b"", "HDF5 does not come to an end with it"
    else:
        output, problem = child.stdout, f"HDF5 crashes on it (exit code {child.returncode})"
    answers = [json.loads(line) for line in output.splitlines(keepends=True) if line.endswith(b"\n")]
    for answer in answers:
        if "error" in answer:
            raise ShardError(answer["error"])
    if len(answers) < len(paths):  # a line for every shard, in order: the next one is to blame
        raise ShardError(f"{paths[len(answers)]} is damaged: {problem}; delete it and make it again")
    return answers


def _main() -> None:
    with suppress(ValueError, OSError):  # macOS knows the limit and does not take it
        resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY, _MAX_MEMORY))
    task: _Task = sys.argv[1]  # type: ignore[assignment]
    for path in map(Path, json.load(sys.stdin)):
        print(json.dumps(_answer(task, path)), flush=True)


def _answer(task: _Task, path: Path) -> dict[str, Any]:
    try:
        header = read_header(path)
        return asdict(check_shard(path, header)) if task == "check" else {}
    except ShardError as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": f"{path} takes more than {_MAX_MEMORY >> 30} GiB of memory to check; do not use it"}


if __name__ == "__main__":
    _main()
