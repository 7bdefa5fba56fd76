"""What native libraries say on the error stream while they start, without the part nobody can act on.

MediaPipe and TensorFlow Lite greet every new task with the same lines, which no environment variable
turns off (their logging is never initialised). Only lines known here are left out; all others, the
errors among them, come through as they are. With logging at DEBUG nothing is left out.
"""

import logging
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

__all__ = ["less_chatter"]

_LOG = logging.getLogger(__name__)
_STDERR = 2
_CHATTER = re.compile(
    rb"(?:INFO: Created TensorFlow Lite XNNPACK delegate for CPU\."
    rb"|WARNING: All log messages before absl::InitializeLog\(\) is called are written to STDERR"
    rb"|[IW]0000 \d\d:\d\d:[\d.]+ +\d+ (?:inference_feedback_manager|face_landmarker_graph)\.cc:\d+\] [^\r\n]*)\r?\n"
)


@contextmanager
def less_chatter() -> Iterator[None]:
    """Hold back what is written to the error stream meanwhile, then write it without the chatter.

    The stream belongs to the whole process: several threads may be inside, and the last to leave
    writes. Keep it short.
    """
    quiet = not _LOG.isEnabledFor(logging.DEBUG) and _ERRORS.hold()
    try:
        yield
    finally:
        if quiet:
            _ERRORS.release()


class _ErrorStream:
    """File descriptor 2, which goes to a temporary file while anybody holds it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._real = -1
        self._aside: IO[bytes] | None = None

    def hold(self) -> bool:
        """Hold the stream; False where the process has none."""
        with self._lock:
            if self._holders == 0:
                try:
                    self._real = os.dup(_STDERR)
                except OSError:
                    return False
                self._aside = tempfile.TemporaryFile()  # noqa: SIM115 (closed by the last holder)
                os.dup2(self._aside.fileno(), _STDERR)
            self._holders += 1
            return True

    def release(self) -> None:
        """Let go; the last holder writes what was said, without the chatter."""
        with self._lock:
            self._holders -= 1
            if self._holders or self._aside is None:
                return
            os.dup2(self._real, _STDERR)
            os.close(self._real)
            with self._aside as aside:
                aside.seek(0)
                said = _CHATTER.sub(b"", aside.read())
            while said:
                said = said[os.write(_STDERR, said) :]


_ERRORS = _ErrorStream()
