"""The real command line in processes of its own that start at once: forked from one that has imported everything.

A new interpreter needs two or three seconds to import torch, and tests of killed commands start a hundred. What is
killed, signalled and waited for here is a process like any other; only its imports are another's.
"""

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NoReturn, Self

ROOT = Path(__file__).parents[1]
IMPORTS = """
import torch, scipy.special, onnxruntime, av, soundfile, soxr
import ravfeat.cli.cache, ravfeat.cli.extract, ravfeat.cli.fit_heads, ravfeat.cli.report
import ravfeat.experiment.fit, ravfeat.encoders.logmel, ravfeat.encoders.onnx, ravfeat.extract, ravfeat.importers
import ravfeat.corpora.ravdess, ravfeat.runs.write, ravfeat.faces.source
"""

ONE_THREAD = {"OMP_NUM_THREADS": "1", "ORT_DISABLE_TELEMETRY": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""Nothing that these import may start a thread: a fork has none but the one that forks."""


def die_at(call: int, how: str = "SIGKILL") -> str:
    """Lines of Python that end a process by a signal as soon as it has flushed so many files to the disk."""
    return f"""
import os, signal
flush, calls = os.fsync, []
def fsync(handle):
    flush(handle)
    calls.append(handle)
    if len(calls) == {call}:
        os.kill(os.getpid(), signal.{how})
os.fsync = fsync
"""


class Command:
    """A command that runs: as much of `subprocess.Popen` as tests need."""

    def __init__(self, pid: int, answers: IO[bytes], out: IO[bytes], err: IO[bytes]) -> None:
        self.pid = pid
        self._answers, self._out, self._err = answers, out, err
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Give the exit status, minus the signal where one ended it; None while it runs."""
        return self._status(0)

    def wait(self, timeout: float = 600) -> int:
        status = self._status(timeout)
        if status is None:
            raise subprocess.TimeoutExpired("ravfeat", timeout)
        return status

    def _status(self, timeout: float) -> int | None:
        if self.returncode is None and select.select([self._answers], [], [], timeout)[0]:
            self.returncode = os.waitstatus_to_exitcode(int(self._answers.readline()))
        return self.returncode

    def communicate(self, timeout: float = 600) -> tuple[str, str]:
        """Wait for the end; give what was printed and what stands on stderr."""
        self.wait(timeout)
        texts = []
        for file in (self._out, self._err):
            file.seek(0)
            texts.append(file.read().decode())
        return texts[0], texts[1]

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.send_signal(signal.SIGKILL)
        self.wait()
        for file in (self._answers, self._out, self._err):
            file.close()


class Commands:
    """Starts commands, from the first on out of one process that is kept ready."""

    def __init__(self) -> None:
        self._server: subprocess.Popen[bytes] | None = None

    def start(
        self, code: str, arguments: Sequence[object], *, cwd: Path | None = None, env: dict[str, str] | None = None
    ) -> Command:
        """Run lines of Python with the arguments of a command, as ``python -c`` would."""
        if self._server is None:
            self._socket, theirs = socket.socketpair()
            serving = "from tests.processes import serve; serve()"
            self._server = subprocess.Popen(
                [sys.executable, "-W", "error", "-c", serving, str(theirs.fileno())],
                pass_fds=[theirs.fileno()], env=os.environ | {"PYTHONPATH": str(ROOT)} | ONE_THREAD,
            )  # fmt: skip
            theirs.close()
        request, out, err = (tempfile.TemporaryFile() for _ in range(3))  # noqa: SIM115 (the command closes them)
        told = {
            "code": code, "arguments": list(map(str, arguments)),
            "cwd": str(cwd or Path.cwd()), "env": dict(os.environ) if env is None else env,
        }  # fmt: skip
        with request:
            request.write(json.dumps(told).encode())
            request.seek(0)
            reading, writing = os.pipe()
            socket.send_fds(self._socket, [b"."], [request.fileno(), out.fileno(), err.fileno(), writing])
            os.close(writing)
        answers = os.fdopen(reading, "rb", buffering=0)
        return Command(int(answers.readline()), answers, out, err)

    def close(self) -> None:
        """End the process that is kept ready; it ends as its socket does."""
        if self._server is not None:
            self._socket.close()
            self._server.wait(60)


def serve() -> None:
    """Fork a process for every request, and in it run the command."""
    exec(IMPORTS, {})
    requests = socket.socket(fileno=int(sys.argv[1]))
    while True:
        kind, handles, _, _ = socket.recv_fds(requests, 1, 4)
        if not kind:
            os._exit(0)
        if os.fork() == 0:
            requests.close()
            _serve_one(*handles)
        for handle in handles:
            os.close(handle)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _serve_one(request: int, out: int, err: int, answers: int) -> NoReturn:
    """Fork once more; the parent stays to tell how the command ended."""
    if pid := os.fork():
        os.write(answers, f"{pid}\n".encode())
        os.write(answers, f"{os.waitpid(pid, 0)[1]}\n".encode())
        os._exit(0)
    os.close(answers)
    for target, handle in ((0, os.open(os.devnull, os.O_RDONLY)), (1, out), (2, err)):
        os.dup2(handle, target)
        os.close(handle)
    with os.fdopen(request, encoding="utf-8") as file:
        told = json.load(file)
    os.environ.clear()
    os.environ.update(told["env"])
    os.chdir(told["cwd"])
    sys.argv = ["-c", *told["arguments"]]
    _end(_run(told["code"]))


def _run(code: str) -> int:
    try:
        exec(compile(code, "<command>", "exec"), {"__name__": "__main__"})
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1
        return int(end.code or 0)
    except BaseException:  # noqa: BLE001 (what an interpreter prints as it ends)
        traceback.print_exc()
        return 1
    return 0


def _end(status: int) -> NoReturn:
    """End as an interpreter does, but without taking a second to free every object."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
