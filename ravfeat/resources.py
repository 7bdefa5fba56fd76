"""What the machine offers to this process."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from ravfeat.errors import UsageError

__all__ = ["limited_memory", "memory_budget", "parse_size", "processors"]

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(|k|m|g|t)i?b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_LEAST = 500_000_000
"""Bytes that the libraries themselves and one small head take."""

_UNKNOWN = 4_000_000_000
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")

_asked: ContextVar[int | None] = ContextVar("memory", default=None)


def processors() -> int:
    """Count the processors this process may use; all there are where the system does not say."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_budget() -> int:
    """Give the bytes that training may take: what `limited_memory` says, or half of what is free."""
    asked = _asked.get()
    return _available() // 2 if asked is None else asked


@contextmanager
def limited_memory(budget: int | None) -> Iterator[None]:
    """Limit what training takes within; None leaves it to `memory_budget`.

    Raises
    ------
    UsageError
        For less than the libraries themselves take.
    """
    if budget is not None and budget < _LEAST:
        raise UsageError(
            f"{budget / 1e9:.2g} GB of memory are less than the libraries themselves take; allow at least"
            f" {_LEAST / 1e9:g} GB"
        )
    token = _asked.set(budget)
    try:
        yield
    finally:
        _asked.reset(token)


def parse_size(text: str) -> int:
    """Read a number of bytes: ``4GB``, ``800 MB``, ``2.5g``; a thousand million bytes to the GB.

    Raises
    ------
    UsageError
        Where it is none.

    Examples
    --------
    >>> parse_size("4GB")
    4000000000
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"'{text}' is no amount of memory; write it as 4GB or 800MB")
    return int(float(match[1]) * _UNITS[match[2].lower()])


def _available() -> int:
    """Free memory, or what the group that this process is in may take if that is less."""
    found = []
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        found += [int(line.split()[1]) * 1024 for line in meminfo.read_text().splitlines() if "MemAvailable" in line]
    for path in map(Path, _LIMITS):
        text = path.read_text().strip() if path.is_file() else ""
        found += [int(text)] if text.isdigit() else []
    return min(found, default=2 * _UNKNOWN)
