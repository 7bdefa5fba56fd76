"""Filter known start-up messages of native libraries out of the error stream.

MediaPipe and TensorFlow Lite print the same lines for every new task, which no environment variable turns off
(their logging is never initialised). Only the lines listed here are dropped; all others, errors among them, are
passed on unchanged. With logging at DEBUG nothing is dropped. onnxruntime prints why it does not use a GPU, and only
there; that is captured, for a message of ours.
"""

import logging
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from typing import IO

__all__ = ["captured_output", "filtered_stderr"]

_LOG = logging.getLogger(__name__)
_STDERR = 2
_NOISE_LINES = re.compile(
    rb"(?:INFO: Created TensorFlow Lite XNNPACK delegate for CPU\."
    rb"|WARNING: All log messages before absl::InitializeLog\(\) is called are written to STDERR"
    rb"|[IW]0000 \d\d:\d\d:[\d.]+ +\d+ (?:inference_feedback_manager|face_landmarker_graph)\.cc:\d+\] [^\r\n]*)\r?\n"
)


@contextmanager
def filtered_stderr() -> Iterator[None]:
    """Buffer the error stream during the block, then write it without the known lines.

    The stream belongs to the whole process: several threads may be in the block at once, and the last one
    to leave writes. Keep the block short.
    """
    quiet = not _LOG.isEnabledFor(logging.DEBUG) and _ERRORS.hold()
    try:
        yield
    finally:
        if quiet:
            _ERRORS.release()


@contextmanager
def captured_output() -> Iterator[list[str]]:
    """Capture what the block prints: by Python, and by native code to the error stream.

    Yields
    ------
    list of str
        The texts; empty until the block has ended without an exception. After an exception they are shown.
    """
    texts: list[str] = []
    held = _ERRORS.hold()
    try:
        start = _ERRORS.size() if held else 0
        with redirect_stdout(StringIO()) as printed:
            yield texts
        texts += [printed.getvalue(), _ERRORS.cut(start) if held else ""]
    finally:
        if held:
            _ERRORS.release()


class _ErrorStream:
    """Redirects file descriptor 2 to a temporary file while at least one holder exists.

    The descriptor, not `sys.stderr`: native code writes to it directly.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._real = -1
        self._aside: IO[bytes] | None = None

    def hold(self) -> bool:
        """Add a holder; False where the process has no error stream."""
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

    def size(self) -> int:
        """Count the bytes that wait to be shown."""
        with self._lock:
            return os.fstat(self._held()).st_size

    def cut(self, start: int) -> str:
        """Remove the bytes from a position on, and return them as text."""
        with self._lock:
            handle = self._held()
            os.lseek(handle, start, os.SEEK_SET)
            text = b""
            while part := os.read(handle, 1 << 16):
                text += part
            os.ftruncate(handle, start)
            # The descriptor of the error stream shares this position: what comes next must not leave a hole.
            os.lseek(handle, start, os.SEEK_SET)
        return text.decode(errors="replace")

    def _held(self) -> int:
        if self._aside is None:
            raise ValueError("the error stream is not held")
        return self._aside.fileno()

    def release(self) -> None:
        """Remove a holder; the last one restores the stream and writes the filtered text."""
        with self._lock:
            self._holders -= 1
            if self._holders or self._aside is None:
                return
            os.dup2(self._real, _STDERR)
            os.close(self._real)
            with self._aside as aside:
                aside.seek(0)
                text = _NOISE_LINES.sub(b"", aside.read())
            # A pipe may take only a part at a time.
            while text:
                text = text[os.write(_STDERR, text) :]


_ERRORS = _ErrorStream()
