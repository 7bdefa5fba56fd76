"""Memory of this process that no file backs, looked at again and again while something runs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Peak", "anonymous_memory"]

_EVERY_S = 0.05


@dataclass
class Peak:
    """The most that was seen.

    Attributes
    ----------
    n_bytes : int
    """

    n_bytes: int = 0


@contextmanager
def anonymous_memory() -> Iterator[Peak]:
    """Watch the anonymous memory of this process within."""
    peak, stop = Peak(), threading.Event()

    def watch() -> None:
        while not stop.wait(_EVERY_S):
            peak.n_bytes = max(peak.n_bytes, _now())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


def _now() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))
